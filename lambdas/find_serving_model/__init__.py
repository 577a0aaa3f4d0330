"""FindServingModel: the registered model that serves now, with which a new one is compared."""
