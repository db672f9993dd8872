"""Several trials at a time on one GPU: who may begin, by a ledger of the GPU's memory."""
