"""The mathematics: a feedforward neural network in NumPy alone.

Start with docs/reference.py, which is all of it for one hidden layer, in one file. Throughout this package:

    N               examples in a batch (rows); D inputs and M outputs of a layer (columns); K classes
    x, y            input and output of a layer                     (N, D), (N, M)
    W, b            weights and biases of a dense layer             (D, M), (M,)
    logits          output of the last layer, z in formulas         (N, K)
    p               probabilities, softmax(logits)                  (N, K)
    targets         what should be predicted, one-hot; t            (N, K)
    dA              dL/dA, the gradient of the loss L with respect to A; it has the shape of A
    theta, grad     all W and b of a network as one vector, and its gradient dL/dtheta        (P,)

In a network with one hidden layer, h is the output of its first dense layer and a that of its activation.

A network for images x, float32 (N, 784), and targets (N, 10), and one step downhill:

    >>> from stages.nn import initializers, losses, network
    >>> net = network.multilayer_perceptron([784, 128, 10])
    >>> net.initialize(initializers.he_normal, np.random.default_rng(0))
    >>> loss, dlogits = losses.softmax_cross_entropy(net.forward(x), targets)
    >>> net.backward(dlogits)
    >>> net.theta -= 0.1 * net.grad

Read it in this order: layers, losses, network, initializers, optimizers, schedules, training; then exact, which makes
the results the same on every machine, frequencies, which makes training faster, and random, which JavaScript repeats.
"""
