"""From encoded radiographs to pixels: decoding, orientation, augmentation, perceptual hashes."""
