"""The mathematics: a feedforward neural network in NumPy alone.

Throughout this package:

    N               examples in a batch (rows); D inputs and M outputs of a layer (columns); K classes
    x, y            input and output of a layer                     (N, D), (N, M)
    W, b            weights and biases of a dense layer             (D, M), (M,)
    logits          output of the last layer                        (N, K)
    targets         what should be predicted, one-hot               (N, K)
    dA              dL/dA, the gradient of the loss L with respect to A; it has the shape of A
    theta, grad     all W and b of a network as one vector, and its gradient dL/dtheta        (P,)

Read it in this order: layers, losses, network, optimizers, schedules, training; then exact, which makes the results the
same on every machine, and frequencies, which makes training faster.
"""
