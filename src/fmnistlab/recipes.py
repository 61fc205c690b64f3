"""How to train: `Recipe`, the named recipes, and the types of their settings."""

from fmnistlab.training.execution import Execution as Execution
from fmnistlab.training.recipes.named import BALANCED as BALANCED
from fmnistlab.training.recipes.named import BEST as BEST
from fmnistlab.training.recipes.named import CLASSIC as CLASSIC
from fmnistlab.training.recipes.named import FAST as FAST
from fmnistlab.training.recipes.optimizers import OptimizerName as OptimizerName
from fmnistlab.training.recipes.parameter_rules import ParameterRule as ParameterRule
from fmnistlab.training.recipes.recipe import LossFunction as LossFunction
from fmnistlab.training.recipes.recipe import OptimizerFactory as OptimizerFactory
from fmnistlab.training.recipes.recipe import Recipe as Recipe
from fmnistlab.training.recipes.registry import list_recipes as list_recipes
from fmnistlab.training.recipes.registry import named_recipe as named_recipe
from fmnistlab.training.recipes.schedules import ScheduleName as ScheduleName
from fmnistlab.training.recipes.setting_checks import Sampling as Sampling
from fmnistlab.training.recipes.step_options import Precision as Precision
from fmnistlab.training.recipes.step_options import StepOptions as StepOptions
