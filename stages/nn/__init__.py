"""The mathematics: a feedforward neural network in NumPy alone.

Throughout this room:

    N               examples in a batch (rows); D inputs and M outputs of a layer (columns); K classes
    x, y            what enters and what leaves a layer        (N, D), (N, M)
    W, b            weights and biases of a dense layer        (D, M), (M,)
    logits          what leaves the last layer                 (N, K)
    targets         what should be predicted, one-hot          (N, K)
    dA              dL/dA, the gradient of the loss L with respect to A; it has the shape of A
    theta, grad     all W and b of a network as one vector, and dL/dtheta beside it        (P,)

Read it in this order: layers, losses, network, optimizers, schedules, training.
"""
