"""The Trainer's entry point: TFX calls `run_fn`, everything else is elsewhere.

TFX reloads this module by name: it holds no class and no state.
"""

from __future__ import annotations

from tfx.components.trainer.fn_args_utils import FnArgs

from agnews.components.trainer_task.delegate import chosen_doer
from agnews.components.trainer_task.do_task import do_task
from agnews.schemas.trainer_task import TrainerTask


def run_fn(fn_args: FnArgs) -> None:
    """Trains the configured model on the transformed rows and exports it.

    Args:
        fn_args: TFX's arguments. Read are `train_files`, `eval_files`, `transform_output`, `serving_model_dir`,
            `model_run_dir`, and of `custom_config` the keys that `do_task` names; for a warm start `base_model`, which
            need not exist. Written is what `do_task` writes.

    Raises:
        AgnewsError: The rows cannot be learnt from, or training has gone astray.
    """
    task = TrainerTask(
        train_files=tuple(fn_args.train_files),
        eval_files=tuple(fn_args.eval_files),
        transform_uri=fn_args.transform_output,
        model_uri=fn_args.serving_model_dir,
        record_uri=fn_args.model_run_dir,
        base_model=fn_args.base_model,
        settings=dict(fn_args.custom_config or {}),
    )
    (chosen_doer() or do_task)(task)
