// What a process sets up once for models. Nothing of it happens before main or by loading the library.
#pragma once

namespace lait {

// For programs, first thing in main: initialize_numerics, and a closed pipe (`| head`) ends the program quietly.
// Programs of others may leave it out.
void initialize();

// The numeric part, which every model calls when it is made; only the first call does something. For the row law
// (lait/ops/linear.cpp) it must run before LibTorch's first product in the process:
//   * On Intel's CPUs, where there are few rows, MKL splits the depth of a product among threads, and a row's sum gets
//     another order than in a large batch. Its strict mode does not, and is as fast; AMD's CPUs lack it and do not need
//     it. MKL reads the environment's MKL_CBWR, which is set unless it is set already.
//   * LibTorch's tanh is MKL's. Where two threads made the first call of a process, one of them now and then worked in
//     MKL's low-accuracy mode (error 5e-5, one process in a hundred under load). So one thread makes it, for one number.
void initialize_numerics();

}  // namespace lait
