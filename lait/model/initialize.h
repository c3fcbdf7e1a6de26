// What a process sets up once for models. Neither static initialisation nor loading the library
// does it.
#pragma once

namespace lait {

// Every model's constructor calls it, and programs do before they use models; only the first call
// has an effect. For the row law (lait/ops/linear.cpp) it must run before LibTorch's first product
// in the process:
//   * On Intel's CPUs, with few rows, MKL splits the depth of a product among threads, so a row
//     is summed in another order than in a large batch. Its strict mode does not, and is as fast.
//     AMD's CPUs lack this mode and do not need it. MKL reads the environment variable MKL_CBWR,
//     which is set here unless it is set already.
//   * LibTorch's tanh is MKL's. If two threads made the process's first call at once, one of them
//     occasionally ran in MKL's low-accuracy mode (error 5e-5, in one of a hundred processes under
//     load). So one thread makes the first call, for one number.
void initialize_numerics();

}  // namespace lait
