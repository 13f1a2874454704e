"""Where the network and the digits meet: settings, training, and the model that comes out."""
