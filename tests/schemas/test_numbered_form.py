from __future__ import annotations

import pytest

from agnews.schemas.anchor import Anchor
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feedback import Label
from agnews.schemas.model_record import ModelRecord
from agnews.schemas.monitor_reference import MonitorReference
from agnews.schemas.numbered_form import NumberedForm


@pytest.mark.parametrize("document", [Anchor, Label, ModelRecord, MonitorReference])
def test_a_later_form_is_refused_in_words_before_its_keys_are_read(document: type[NumberedForm]) -> None:
    later = document.KNOWN_FORMAT + 1
    with pytest.raises(AgnewsError, match="too old") as caught:
        document.model_validate({"format": later, "a key of a later version": 1})
    assert f"format {later}, and this one reads up to {document.KNOWN_FORMAT}" in str(caught.value.found)
    assert caught.value.fix == "Update agnews here."
