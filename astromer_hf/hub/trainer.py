# Copyright 2026 The astromer_hf developers. MIT licence.
"""`HubTrainer`: transformers' `Trainer` that pushes with `hub.push_checkpoint`.

The stock `Trainer(push_to_hub=True)` also works with these models, but it shares its whole folder, with an unfinished card. In
that folder `training_args.bin` is a pickle of all arguments, including `hub_token`. Training scripts use `HubTrainer` in place
of `Trainer` and pass the facts for the card.
"""

import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from transformers import Trainer
from transformers.trainer_utils import HubStrategy

from .load import HubError, ModelError, hub_errors
from .model_card import CARD_FILE, CardFacts, is_placeholder, update_results, write_card
from .push import Pushed, push_checkpoint

logger = logging.getLogger(__name__)

RESULTS_FILE = "test_results.json"  # what `trainer.save_metrics("test", ...)` writes


class HubTrainer(Trainer):
    """Trainer that shares finished checkpoints: only listed files, a complete card, and by default a private repository.

    Args:
        card ([`CardFacts`]): content of the card. Its `repo_id` may be empty; then `hub_model_id` is used. An existing card in
            the output folder is kept, and updated with the scores of `test_results.json` if that file exists.
        args, kwargs: Trainer's.

    Raises:
        ValueError: `push_to_hub` is on and `hub_strategy` includes optimizer states.
    """

    hub_model_id: str | None  # type: ignore[assignment]  # the library's type is that of its first value

    def __init__(self, *args: Any, card: CardFacts, **kwargs: Any):
        self.card = card
        super().__init__(*args, **kwargs)

    @property
    def _output(self) -> Path:
        return Path(self.args.output_dir or ".")

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Name the repository, and create it if needed; private unless `hub_private_repo` says otherwise."""
        strategy = HubStrategy(self.args.hub_strategy)
        if strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
            raise ValueError(
                f'`hub_strategy` must be "end" or "every_save", got "{strategy.value}", which would share '
                "optimizer states and pickles."
            )
        if not self.is_world_process_zero():
            return
        wanted = self.args.hub_model_id or self.card.repo_id or self._output.absolute().name
        private = next((choice for choice in (private, self.args.hub_private_repo) if choice is not None), True)
        with hub_errors(wanted):
            api = HfApi(token=token or self.args.hub_token)
            self.hub_model_id = api.create_repo(wanted, private=private, exist_ok=True).repo_id
        self.push_in_progress = None

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Save the model so that each of its files is complete or absent."""
        if not self.args.should_save:
            super()._save(output_dir, state_dict)
            return
        folder = Path(output_dir or self._output)
        unfinished = folder / ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)  # left by a killed run
        super()._save(str(unfinished), state_dict)
        for file in unfinished.iterdir():
            os.replace(file, folder / file.name)
        unfinished.rmdir()

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write the finished card into the output folder, or update the scores of an existing one."""
        if not self.is_world_process_zero():
            return
        file = self._output / CARD_FILE
        metrics = tuple(path for path in (self._output / RESULTS_FILE,) if path.is_file())
        facts = self._facts()
        if is_placeholder(file):
            write_card(self._output, replace(facts, metrics=(*facts.metrics, *metrics)))
        elif metrics:
            update_results(file, (*facts.metrics, *metrics), facts.name)

    def _facts(self) -> CardFacts:
        return replace(self.card, repo_id=self.hub_model_id or self.card.repo_id)

    def push_to_hub(  # type: ignore[override]
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **kwargs: Any,
    ) -> Pushed | None:
        """Save the model, finish its card and share both. It always blocks, for a few seconds, whatever `blocking` is."""
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        if self.hub_model_id is None:
            self.init_hf_repo(token=token, private=private)
        self.save_model(_internal_call=True)
        if not self.is_world_process_zero():
            return None
        self.create_model_card()
        return self._share(self._output, commit_message, token, revision)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        if not self.is_world_process_zero() or self.args.hub_strategy == HubStrategy.END:
            return
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        card = Path(checkpoint_folder, CARD_FILE)
        if is_placeholder(card):
            write_card(card.parent, self._facts())
        try:
            self._share(card.parent, f"Training in progress, step {self.state.global_step}")
        except (HubError, ModelError) as error:  # training continues, and the next save is shared
            logger.warning("step %d was not shared: %s", self.state.global_step, error)

    def _share(self, folder: Path, message: str | None, token: str | None = None, revision: str | None = None) -> Pushed:
        assert self.hub_model_id is not None
        return push_checkpoint(
            folder,
            self.hub_model_id,
            revision=revision or self.args.hub_revision,
            message=message,
            token=token or self.args.hub_token,
        )
