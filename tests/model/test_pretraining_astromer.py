# Copyright 2026 The astromer_hf developers. MIT licence.
"""Self-distillation: what its losses are, that nothing hidden leaks into them, and that processes add up."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY_EXTENDED
from forks import launch_ranks

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction, AstromerForPreTraining, AstromerModel
from astromer_hf.model.pretraining_astromer import SketchedIsotropicGaussianLoss

FIELDS = {**TINY_EXTENDED, "hidden_dropout_prob": 0.0, "projection_hidden_size": 24, "projection_size": 8}


def views(stars: int = 6, count: int = 2, length: int = 20) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (stars, count, length)
    times = (torch.rand(shape, generator=generator) * 300).sort(-1).values - 150
    magnitudes = torch.sin(times) + 0.1 * torch.randn(shape, generator=generator)
    mask = torch.ones(shape, dtype=torch.long)
    mask[0, 0, 15:] = 0
    hidden = (torch.rand(shape, generator=generator) < 0.5) & mask.bool()
    hidden[:, 1:] = False
    return {"magnitudes": magnitudes, "times": times, "attention_mask": mask, "masked_positions": hidden, "labels": magnitudes}


@pytest.fixture
def model() -> AstromerForPreTraining:
    torch.manual_seed(0)
    return AstromerForPreTraining(AstromerConfig(**FIELDS)).eval()


def test_the_loss_is_the_weighted_sum_of_its_parts(model: AstromerForPreTraining):
    model.config.reconstruction_weight, model.config.distillation_weight, model.config.regularization_fraction = 0.5, 2.0, 0.1
    outputs = model(**views())
    expected = 0.5 * outputs.reconstruction_loss + 2 * (0.9 * outputs.invariance_loss + 0.1 * outputs.regularization_loss)
    torch.testing.assert_close(outputs.loss, expected)
    assert outputs.projections.shape == (6, 2, 8)
    assert outputs.pooler_output.shape == (6, 2, 16)


def test_views_are_pulled_to_the_centre_of_the_global_ones(model: AstromerForPreTraining):
    local = {name: tensor for name, tensor in views(6, 3, 9).items() if name not in ("labels", "masked_positions")}
    outputs = model(**views(), local_views=local)
    assert outputs.projections.shape == (6, 5, 8)
    center = outputs.projections[:, :2].mean(1, keepdim=True)
    torch.testing.assert_close(outputs.invariance_loss, (outputs.projections - center).square().mean())


def test_equal_views_cost_nothing(model: AstromerForPreTraining):
    batch = {name: tensor[:, 1:].expand(-1, 2, -1) for name, tensor in views().items()}
    assert model(**batch).invariance_loss < 1e-8


def test_hidden_magnitudes_change_nothing_but_what_they_are_compared_with(model: AstromerForPreTraining):
    batch = views()
    changed = {**batch, "magnitudes": batch["magnitudes"].masked_fill(batch["masked_positions"], 1e4)}
    one, other = model(**batch), model(**changed)
    torch.testing.assert_close(one.projections, other.projections)
    for name in ("reconstruction_loss", "invariance_loss", "regularization_loss"):
        torch.testing.assert_close(one[name], other[name])


def test_the_embedding_that_is_trained_is_the_one_that_users_get(model: AstromerForPreTraining):
    batch = views()
    names = ("magnitudes", "times", "attention_mask")
    encoder = AstromerModel(model.config).eval()
    encoder.load_state_dict(model.model.state_dict())
    expected = encoder(**{name: batch[name][:, 1] for name in names}).pooler_output
    torch.testing.assert_close(model(**batch).pooler_output[:, 1], expected)


def test_features_that_are_unknown_do_not_count():
    model = AstromerForPreTraining(AstromerConfig(**FIELDS, num_target_features=3)).eval()
    features = torch.randn(6, 3)
    outputs = model(**views(), target_features=features)
    predicted = model.feature_head(outputs.pooler_output)
    torch.testing.assert_close(outputs.feature_loss, (predicted - features[:, None]).square().mean())
    features[2] = torch.nan
    known = torch.tensor([0, 1, 3, 4, 5])
    expected = (predicted - features[:, None])[known].square().mean()
    torch.testing.assert_close(model(**views(), target_features=features).feature_loss, expected)
    assert model(**views(), target_features=torch.full((6, 3), torch.nan)).feature_loss == 0


def test_the_projector_is_left_behind(model: AstromerForPreTraining, tmp_path: Path):
    kept = model.without_projector()
    assert type(kept) is AstromerForMaskedReconstruction
    kept.save_pretrained(tmp_path / "kept")
    loaded = AstromerForMaskedReconstruction.from_pretrained(tmp_path / "kept")
    assert loaded.state_dict().keys() == AstromerForMaskedReconstruction(model.config).state_dict().keys()
    model.save_pretrained(tmp_path / "all")
    resumed = AstromerForPreTraining.from_pretrained(tmp_path / "all").eval()
    torch.testing.assert_close(resumed(**views()).loss, model(**views()).loss)
    torch.testing.assert_close(
        AstromerModel.from_pretrained(tmp_path / "all").state_dict(), loaded.model.state_dict()
    )  # encoders load from checkpoints of the whole


def test_samples_of_a_normal_distribution_cost_least():
    torch.manual_seed(0)
    normal = torch.randn(512, 2, 16)
    costs = {
        "normal": normal,
        "collapsed": torch.zeros(512, 2, 16),
        "too wide": 3 * normal,
        "too narrow": 0.3 * normal,
        "in a plane": normal * (torch.arange(16) < 2),
        "two heaps": normal.sign(),
    }
    statistic = {name: float(SketchedIsotropicGaussianLoss()(values)) for name, values in costs.items()}
    assert statistic["normal"] < 1.5
    assert all(value > 3 * statistic["normal"] for name, value in statistic.items() if name not in ("normal", "two heaps"))


def test_the_statistic_is_epps_and_pulleys():
    """Along one direction against an integral of the closed form by a fine rule."""
    sample = torch.randn(40, 1, 1, dtype=torch.float64)
    points = np.linspace(-5, 5, 20001)
    function = np.exp(1j * points * sample.numpy().reshape(-1, 1)).mean(0)
    integrand = np.abs(function - np.exp(-(points**2) / 2)) ** 2 * np.exp(-(points**2) / 2)
    expected = 40 * np.trapezoid(integrand, points)
    assert float(SketchedIsotropicGaussianLoss()(sample.float())) == pytest.approx(expected, rel=0.02)


def test_directions_change_with_every_step_of_training_and_go_on_after_loading(model: AstromerForPreTraining):
    values = torch.randn(32, 2, 8)
    regularizer = model.regularizer.train()
    first, second = regularizer(values), regularizer(values)
    assert first != second
    loaded = SketchedIsotropicGaussianLoss()
    loaded.load_state_dict({"num_draws": torch.tensor(1)})
    assert loaded(values) == second


def test_an_evaluation_repeats_and_leaves_the_model_as_it_is(model: AstromerForPreTraining):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = model(**views()), model(**views())
    torch.testing.assert_close(dict(first), dict(second), rtol=0, atol=0)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_a_checkpoint_of_the_encoder_starts_the_draws_at_zero(model: AstromerForPreTraining, tmp_path: Path):
    model.model.save_pretrained(tmp_path)
    assert AstromerForPreTraining.from_pretrained(tmp_path).regularizer.num_draws == 0


def test_hidden_states_and_attentions_are_those_of_the_global_views(model: AstromerForPreTraining):
    model.set_attn_implementation("eager")
    outputs = model(**views(), output_hidden_states=True, output_attentions=True)
    assert [tuple(state.shape) for state in outputs.hidden_states] == [(12, 20, 16)] * (model.config.num_hidden_layers + 1)
    assert [tuple(weights.shape) for weights in outputs.attentions] == [(12, 4, 20, 20)] * model.config.num_hidden_layers


def test_two_processes_have_the_statistic_and_gradient_of_one(tmp_path: Path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, torch\n"
        "from astromer_hf.model.pretraining_astromer import SketchedIsotropicGaussianLoss\n"
        "torch.distributed.init_process_group('gloo')\n"
        "rank = torch.distributed.get_rank()\n"
        "torch.manual_seed(0)\n"
        "inputs, layer = torch.randn(8, 2, 6), torch.nn.Linear(6, 4)\n"
        "model = torch.nn.parallel.DistributedDataParallel(layer)\n"
        "loss = SketchedIsotropicGaussianLoss()(model(inputs[4 * rank : 4 * rank + 4]))\n"
        "loss.backward()\n"
        "if rank == 0:\n"
        "    torch.save((loss.detach(), layer.weight.grad), sys.argv[1])\n"
    )
    done = launch_ranks(2, script, tmp_path / "two.pt")
    assert done.returncode == 0, done.stderr[-3000:]
    torch.manual_seed(0)
    inputs, layer = torch.randn(8, 2, 6), torch.nn.Linear(6, 4)
    loss = SketchedIsotropicGaussianLoss()(layer(inputs))
    loss.backward()
    of_two = torch.load(tmp_path / "two.pt")
    torch.testing.assert_close(of_two[0], loss.detach())
    torch.testing.assert_close(of_two[1], layer.weight.grad)
