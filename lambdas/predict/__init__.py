"""The HTTPS API: a chest radiograph in, a calibrated probability of pneumonia out."""
