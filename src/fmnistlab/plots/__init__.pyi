from .confusion import plot_confusion as plot_confusion
from .curves import plot_curves as plot_curves
from .mistakes import plot_mistakes as plot_mistakes
from .probabilities import plot_predictions as plot_predictions
from .samples import plot_images as plot_images
from .samples import plot_samples as plot_samples
from .saving import save_figure as save_figure
