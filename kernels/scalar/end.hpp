// Closes the scalar tier.
}  // namespace plumb::kernels::scalar
