# %% [markdown]
# # Which garment is this? A linear network against a small CNN
#
# Ten kinds of clothes, 28 by 28 gray pixels each. One model looks at all pixels at once and does
# not know which are neighbors; the other slides small windows over the image. Is the second
# better, and how sure can we be?
#
# Editors such as VS Code, PyCharm and Spyder show this file as a notebook, cell by cell. It also
# runs from top to bottom as `python examples/tutorial.py`; two epochs of both models take about
# 25 seconds, the tutorial's ten (`--epochs 10`) about two minutes.

# %%
"""The Fashion-MNIST tutorial, section by section, with fmnistlab."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

import fmnistlab
from fmnistlab import plots
from fmnistlab.metrics import class_scores

parser = argparse.ArgumentParser(description="The Fashion-MNIST tutorial with fmnistlab.")
parser.add_argument("--epochs", type=int, default=2, help="passes over the data (default: 2)")
parser.add_argument("--seed", type=int, default=0, help="of weights and order (default: 0)")
parser.add_argument(
    "--out",
    type=Path,
    default=Path("runs/tutorial"),
    help="folder for the pictures (default: runs/tutorial)",
)
# A notebook has arguments of its own, which are not meant for us.
options = parser.parse_args([] if "ipykernel" in sys.modules else None)
options.out.mkdir(parents=True, exist_ok=True)


def show(figure: Figure, name: str) -> Figure:
    """Saves a figure; at the end of a notebook's cell it is displayed, too."""
    print(f"[picture: {plots.save_figure(figure, options.out / name)}]")
    return figure


# %% [markdown]
# ## 1. Look at the data
#
# Before any model, look at what it will see. The real images ship with fmnistlab; with Kaggle's
# files on your disk you would write `fmnistlab.FashionMNISTCSV("fashion-mnist_train.csv")`.

# %%
train, test = fmnistlab.load_data()
counts = {"train": train.targets.bincount(), "test": test.targets.bincount()}
print(pd.DataFrame(counts, index=train.classes))

# %%
show(plots.plot_samples(train.data, train.targets), "samples.png")

# %% [markdown]
# Ten classes, all equally frequent: whoever guesses is right once in ten times. And shirts,
# pullovers and coats look much alike. Keep an eye on those.

# %% [markdown]
# ## 2. Split
#
# A fifth of the training images is put aside for validation: the model never learns from them, so
# they tell how it does on images it has not seen. The split is stratified, which means that all
# classes stay equally frequent in both parts. The test set is a third thing: it is used once, at
# the very end, and no decision may depend on it before.

# %%
fit_set, valid_set = train.split(valid_fraction=0.2, seed=42)
print(f"{len(fit_set):,} to learn from, {len(valid_set):,} to validate, {len(test):,} to test")

# %% [markdown]
# ## 3. The data set and one of its items
#
# An item is a pair: the image as a tensor of one channel, 28 rows and 28 columns, its pixels
# divided by 255 so that they go from 0 to 1; and the label.

# %%
image, label = fit_set[0]
print(fit_set)
print(f"image: {image.dtype}, shape {tuple(image.shape)}, from {image.min():g} to {image.max():g}")
print(f"label: {label} ({fit_set.classes[label]})")

# %%
titles = [fit_set.classes[label] for label in fit_set.targets[:6]]
show(plots.plot_images(fit_set.data[:6], titles), "items.png")

# %% [markdown]
# ## 4. Two models
#
# LinearNet lays the image out as a row of 784 numbers. CNN has an eighth of the parameters, but
# does three times the arithmetic: its small windows are used again at each place of the image.
#
# %%
for name in ("linearnet", "cnn"):
    print(fmnistlab.summary(fmnistlab.create_model(name)), end="\n\n")

# %% [markdown]
# ## 5. Train both
#
# The recipe is the tutorial's: batches of 32, cross-entropy as the loss, and Adam with a learning
# rate of 0.001. Both models see the same images in the same order, and the seed makes their first
# weights the same each time you run this.

# %%
print(fmnistlab.recipes.CLASSIC, end="\n\n")
trainers = {}
for name in ("linearnet", "cnn"):
    trainers[name] = fmnistlab.Trainer(
        name,
        fmnistlab.recipes.CLASSIC,
        seed=options.seed,
        callbacks=[fmnistlab.callbacks.ProgressBar()],
    )
    history = trainers[name].fit(fit_set, valid_set, epochs=options.epochs)
    columns = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    print(name, pd.DataFrame(history.to_rows(), columns=columns).to_string(index=False), sep="\n")
    print(f"{sum(record.seconds for record in history):.0f} seconds of training\n")

# %% [markdown]
# ## 6. Curves
#
# The solid line is measured while the model learns, over the whole epoch; the dashed line after
# the epoch, on the images put aside. As long as both fall, the model learns something that holds
# for new images. When only the solid one falls, it learns its images by heart.

# %%
for name, trainer in trainers.items():
    run = f"{name}, seed {options.seed}"
    show(plots.plot_curves(trainer.history, title=run), f"curves-{name}.png")

# %%
histories = {name: trainer.history for name, trainer in trainers.items()}
show(plots.plot_curves(histories, title=f"seed {options.seed}"), "curves-both.png")

# %% [markdown]
# ## 7. Test
#
# Now, once, the 10,000 test images. The interval says how far the accuracy could be off because
# these are only 10,000 of all the images that might have been taken (Wilson's score interval; in
# 95 of 100 such experiments it contains the true value). Expect about one per cent less than on
# the validation images: these test images are a little harder than the training images are.

# %%
results = {name: trainer.evaluate(test) for name, trainer in trainers.items()}
for name, metrics in results.items():
    print(f"{name:>9}: {metrics}")

# %% [markdown]
# ## 8. Predictions
#
# What does the CNN say about single images, and how sure is it? First some test images as they
# come, then the mistakes it was most sure of. Judge for yourself which of those you would have
# got right.

# %%
predictions = trainers["cnn"].predict(test)
show(
    plots.plot_predictions(test.data[:8], predictions.probabilities[:8], test.targets[:8]),
    "predictions.png",
)

# %%
show(plots.plot_mistakes(test.data, test.targets, predictions, title="cnn"), "mistakes.png")

# %%
print(class_scores(test.targets, predictions))

# %% [markdown]
# Recall is the part of a class that was found, precision the part of the answers that was right.
# It is the shirts.

# %% [markdown]
# ## 9. Is the difference real?
#
# The tutorial's CNN was about one per cent better than its LinearNet, after ten epochs, and it
# asked whether that is real. What can be said from one training of each?

# %%
better, worse = sorted(results, key=lambda name: results[name].accuracy, reverse=True)
more = round((results[better].accuracy - results[worse].accuracy) * len(test))
lowest = results[better].accuracy_interval()[0]
highest = results[worse].accuracy_interval()[1]
print(
    f"In this run {better} is right on {more} more of the {len(test):,} test images than {worse}."
)
if lowest > highest:
    print(
        f"The intervals do not overlap ({better} starts at {lowest:.4f}, {worse} ends at "
        f"{highest:.4f}): the difference between these two trained networks is hardly an accident "
        "of which 10,000 images were taken."
    )
else:
    print(
        f"The intervals overlap ({better} starts at {lowest:.4f}, {worse} ends at {highest:.4f}): "
        "the choice of these 10,000 images alone could explain the difference. It need not; "
        "overlapping intervals do not prove that two networks are equally good."
    )
print(
    f"One training of each (seed {options.seed}, epochs: {options.epochs}) tells about two trained "
    "networks, not yet about LinearNet and CNN."
)

# %% [markdown]
# What one run of each **cannot** tell:
#
# * **Which architecture is better.** The intervals speak of new images for these two networks, not
#   of new trainings. Another seed gives other first weights, another order of images, and another
#   accuracy; how far that moves it, one run cannot know. Try `--seed 1`, `--seed 2`, `--seed 3`.
#   If one model's accuracies scatter as widely as the two models differ, one run decides nothing.
# * **Which is better after more training.** Train for two epochs and LinearNet is ahead; train for
#   ten and the CNN is, by about as much. With seed 0 the intervals do not overlap in either case.
#   Both differences are real, and they point in opposite directions: each is about networks that
#   were trained that long.
# * **Which is better on other pictures.** All images here were made in the same way; a photo from
#   your phone was not.
#
# An honest answer takes several seeds for each model, enough epochs for both, and then looks at
# how far the seeds scatter.
