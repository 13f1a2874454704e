import numpy as np
import pytest

from stages.dataset.records import ModelInputs, check_model

MODEL = {
    "classes": np.array(["a", "b", "c"]),
    "image_shape": np.array([4, 5]),
    "deskew": np.array(True),
    "mean": np.array(33.5),
    "std": np.array(78.25),
}


def test_what_a_model_takes_and_answers():
    assert check_model(MODEL, 20, 3) == ModelInputs(["a", "b", "c"], (4, 5), True, 33.5, 78.25)


@pytest.mark.parametrize(
    ("changes", "inputs", "message"),
    [
        ({"classes": None}, 20, "has no classes"),
        ({"image_shape": None}, 20, "has no image_shape"),
        ({"image_shape": np.array([20])}, 20, "image_shape must be two integers"),
        ({"image_shape": np.array([4.0, 5.0])}, 20, "image_shape must be two integers"),
        ({}, 21, "its layers do not fit its image_shape and classes"),
        ({"classes": np.array("abc")}, 20, "its layers do not fit its image_shape and classes"),
        ({"mean": None}, 20, "has no mean"),
        ({"mean": np.array([33.5])}, 20, "deskew must be true or false, mean and std numbers"),
        ({"deskew": np.array("yes")}, 20, "deskew must be true or false, mean and std numbers"),
        ({"std": np.array(0.0)}, 20, "mean and std must be finite, std positive"),
        ({"mean": np.array(np.nan)}, 20, "mean and std must be finite, std positive"),
    ],
    ids=str,
)
def test_a_model_that_does_not_fit_its_network_is_rejected(changes, inputs, message):
    model = {name: array for name, array in {**MODEL, **changes}.items() if array is not None}
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_model(model, inputs, 3)
