# Copyright 2026 The astromer_hf developers. MIT licence.
"""`PreTrainer`: transformers' Trainer for `AstromerForPreTraining`, which logs the parts of the loss.

Before this file stand `stars.py` and `hub/trainer.py`; after it `scripts/run_pretraining.py`.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader

from ..hub.trainer import HubTrainer


class PreTrainer(HubTrainer):
    """Trainer that logs each part of the loss beside their sum, and evaluates on stars of its own.

    Args:
        eval_collator: for the evaluation set, whose numbers mean other stars than those of the training set.
        args, kwargs: those of `HubTrainer`.
    """

    def __init__(self, *args: Any, eval_collator: Callable[[Any], dict[str, Any]], **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.eval_collator = eval_collator
        self._parts: dict[str, list[torch.Tensor]] = defaultdict(list)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Trainer's own, with the collator of the evaluation set, all of whose stars count."""
        kept = self.data_collator, self.args.dataloader_drop_last
        self.data_collator, self.args.dataloader_drop_last = self.eval_collator, False
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator, self.args.dataloader_drop_last = kept

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Trainer's own; the parts of the loss are kept for the log."""
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
        if model.training:
            for name, value in outputs.items():
                if name.endswith("_loss"):
                    self._parts[name].append(value.detach())
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Trainer's own, with the means of the parts since the last time."""
        if "loss" in logs:
            logs |= {name: round(float(torch.stack(values).mean()), 4) for name, values in self._parts.items()}
            self._parts.clear()
        super().log(logs, *args, **kwargs)
