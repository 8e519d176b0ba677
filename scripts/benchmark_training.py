# Copyright 2026 The astromer_hf developers. MIT licence.
"""Measure training speed: windows per second of forward, backward and optimiser step, on full windows of random data.

The released TensorFlow code trains 109 windows/s with a batch of 64 on two CPU cores (TensorFlow 2.15). To show how close a
step comes to the machine's limit, its floating-point operations per second are compared with those of the matrix product of the
model's own linear layer (a window's observations by 256 x 256) in the same precision.

Examples:
    python scripts/benchmark_training.py
    python scripts/benchmark_training.py --device cuda --batch-size 1024 --dtype bfloat16 --compile
"""

import argparse
import time
from pathlib import Path

import torch
import yaml
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from astromer_hf import AstromerConfig, AstromerForMaskedReconstruction
from astromer_hf.cli.numbers import count
from astromer_hf.light_curves.surveys import find_survey

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
PAPER = find_survey("macho").training
assert PAPER is not None
assert PAPER.num_windows is not None
PAPER_WINDOWS, PAPER_HOURS = PAPER.epochs * PAPER.num_windows, PAPER.hours


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=["astromer_macho_paper", "astromer_surveys_small"], help="of configs/")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="bfloat16 is by autocast")
    parser.add_argument("--batch-size", type=count, default=64, help="windows a step")
    parser.add_argument("--length", type=count, help="observations a window; the model's window size when absent")
    parser.add_argument("--steps", type=count, default=10)
    parser.add_argument("--repeats", type=count, default=3)
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    return parser.parse_args(argv)


def random_batch(batch_size: int, length: int, device: str) -> dict[str, torch.Tensor]:
    """Windows without padding, half hidden; the speed does not depend on their content."""
    generator = torch.Generator().manual_seed(0)
    times = torch.rand(batch_size, length, generator=generator).sort(1).values * 2000
    magnitudes = torch.randn(batch_size, length, generator=generator)
    hidden = torch.rand(batch_size, length, generator=generator) < 0.5
    batch = {
        "magnitudes": magnitudes,
        "times": times - times.mean(1, keepdim=True),
        "attention_mask": torch.ones(batch_size, length, dtype=torch.long),
        "masked_positions": hidden,
        "loss_mask": hidden,
        "labels": magnitudes,
    }
    return {name: tensor.to(device) for name, tensor in batch.items()}


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


@torch.inference_mode()
def product_flops_per_second(args: argparse.Namespace, seconds: float = 1.0) -> float:
    """Operations per second of a linear layer of the paper's width, on a whole batch."""
    dtype = getattr(torch, args.dtype)
    layer = torch.nn.Linear(256, 256).to(args.device, dtype)
    states = torch.randn(args.batch_size * (args.length or 200), 256, device=args.device, dtype=dtype)
    layer(states)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        layer(states)
        synchronize(args.device)
        count += 1
    return count * 2 * states.numel() * 256 / (time.perf_counter() - start)


def windows_per_second(config: AstromerConfig, args: argparse.Namespace) -> tuple[list[float], float]:
    """One rate per repeat, after two warm-up steps, and the operations of one window's step."""
    model = AstromerForMaskedReconstruction(config).to(args.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    forward = torch.compile(model) if args.compile else model
    batch = random_batch(args.batch_size, args.length or config.window_size, args.device)

    def run(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            with torch.autocast(torch.device(args.device).type, torch.bfloat16, enabled=args.dtype == "bfloat16"):
                loss = forward(**batch).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        synchronize(args.device)
        return time.perf_counter() - start

    run(2)
    rates = [args.batch_size * args.steps / run(args.steps) for _ in range(args.repeats)]
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # the fused kernel is not counted
        model(**batch).loss.backward()
    return rates, counter.get_total_flops() / args.batch_size


def main(args: argparse.Namespace) -> dict[str, float]:
    print(f"{args.device}, {args.dtype}, {torch.get_num_threads()} threads, batch {args.batch_size}, compiled: {args.compile}")
    product = product_flops_per_second(args)
    print(f"matrix product: {product / 1e9:,.0f} GFLOP/s")
    best = {}
    for name in args.configs:
        config = AstromerConfig(**yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["model"])
        rates, flops = windows_per_second(config, args)
        best[name] = max(rates)
        hours = PAPER_WINDOWS / best[name] / 3600
        print(
            f"{name}: {', '.join(f'{rate:.0f}' for rate in rates)} windows/s of {flops / 1e9:.2f} GFLOP, "
            f"{best[name] * flops / product:.0%} of the matrix product's rate; the paper's {PAPER_WINDOWS:,} "
            f"windows would take {hours:,.0f} h (published: {PAPER_HOURS:.0f} h on one A100)"
        )
    return best


if __name__ == "__main__":
    main(parse_args())
