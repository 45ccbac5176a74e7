"""Fit how detector, words and language model together say whether a thing is there, on validation photographs.

    python benchmarks/everyday_existence.py --photographs ../shared/data/flickr8k [--most 200]

Photographs are shown as films, asked the questions that their captions answer, and the constants of
`mmvideo.everyday.questions.checks` are fitted by logistic regression. Accuracy is told by cross-validation over
photographs, balanced between yes and no. The test photographs are never read.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from mmvideo.everyday.conversation import YES_OR_NO, EverydayConversation, share_of_yes
from mmvideo.everyday.evaluation.films import photographs_of, write_film
from mmvideo.everyday.evaluation.views import Subject
from mmvideo.everyday.questions import understand
from mmvideo.everyday.questions.checks import exists_features, signs_of
from mmvideo.everyday.training.caption_questions import test_set

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photographs", type=Path, default=CHECKOUT.parent / "shared/data/flickr8k")
    parser.add_argument("--most", type=int, default=200)
    given = parser.parse_args()
    rows = list(asked(given.photographs, given.most))
    for known in (True, False):
        some = [row for row in rows if row[1] is known]
        inputs, truth = torch.tensor([row[2] for row in some]).double(), torch.tensor([row[3] for row in some]).double()
        fold = torch.tensor([row[0] % FOLDS for row in some])
        chance = torch.zeros(len(some)).double()
        for k in range(FOLDS):
            chance[fold == k] = torch.sigmoid(inputs[fold == k] @ fitted(inputs[fold != k], truth[fold != k]))
        right = (chance >= 0.5) == (truth > 0)
        shares = [float(right[truth == value].float().mean()) for value in (1.0, 0.0)]
        print(f"{'classes of the detector' if known else 'other things':24} {len(some)} questions, "
              f"yes {shares[0]:.3f}, no {shares[1]:.3f}; constants "
              f"{[round(float(x), 2) for x in fitted(inputs, truth)]}")


def asked(photographs: Path, most: int) -> Iterator[tuple[int, bool, list[float], bool]]:
    """Yield a photograph's number, whether the detector has a class for the thing, inputs, whether it is there."""
    questions: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, family, question, truth in test_set(photographs / "val.tsv"):
        if family == "exist":
            questions[name].append((question, truth))
    subject = Subject("everyday")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, picture) in enumerate(photographs_of(photographs, "val")):
            if number >= most:
                return
            looked = subject.look(write_film(Path(folder) / "film.mp4", name, picture, still=False))
            talk = EverydayConversation(subject.model, subject.observer.observe(subject.encoder, [looked])[0])
            for question, truth in questions[name]:
                query = understand(question)
                signs = signs_of(query, talk.observation.facts, talk.vocabulary)
                if signs is not None:
                    said = share_of_yes(talk.pictures.row(0).choose(question, YES_OR_NO))
                    yield number, bool(query.subject and query.subject.labels), exists_features(signs, said), (
                        (truth == "yes") != query.negated)


def fitted(inputs: Tensor, truth: Tensor) -> Tensor:
    """Return the weights of a logistic regression, held a little towards nought."""
    weights = torch.zeros(inputs.shape[1], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(inputs @ weights, truth, reduction="sum")
        loss = loss + weights[1:].square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weights.detach()


if __name__ == "__main__":
    main()
