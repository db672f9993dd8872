"""Training as an iteration: the loop, optimiser steps, schedules, the ELBO, health, reports."""
