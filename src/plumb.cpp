#include "plumb/core/parallel.hpp"
#include "plumb/core/tensor.hpp"
#include "plumb/model/config.hpp"
