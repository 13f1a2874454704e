"""The digits: from IDX bytes to arrays, and from arrays to minibatches."""
