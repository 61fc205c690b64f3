"""How to train: `Recipe`, the named recipes, and the types of their settings."""

from fmnistlab.training.execution import Execution as Execution
from fmnistlab.training.recipes.named import CLASSIC as CLASSIC
from fmnistlab.training.recipes.recipe import LossFunction as LossFunction
from fmnistlab.training.recipes.recipe import OptimizerFactory as OptimizerFactory
from fmnistlab.training.recipes.recipe import OptimizerName as OptimizerName
from fmnistlab.training.recipes.recipe import Recipe as Recipe
from fmnistlab.training.recipes.recipe import ScheduleName as ScheduleName
from fmnistlab.training.recipes.registry import list_recipes as list_recipes
from fmnistlab.training.recipes.registry import named_recipe as named_recipe
