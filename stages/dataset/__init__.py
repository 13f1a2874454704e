"""The digits: where they come from, how their bytes become arrays, how they are served in minibatches."""
