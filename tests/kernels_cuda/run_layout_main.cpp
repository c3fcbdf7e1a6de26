// run_layout LAYOUT forward|backward HEAD_DIM: runs the kernels once, for an emulator to count
// (work_counts_test.cpp).
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/kernels_cuda/counted_layouts.h"
#include "tests/kernels_cuda/device_run.h"

int main(int argc, char** argv) {
  using namespace lait::kernels::testing;
  if (argc != 4) {
    std::fputs("usage: run_layout LAYOUT forward|backward HEAD_DIM\n", stderr);
    return 2;
  }
  const Problem p = counted_problem(argv[1], std::atoi(argv[3]));
  Call call(p);
  call.grad.forward.out.row_stride = p.heads * p.dim;  // whole sectors
  DeviceCall device(call.grad);
  device.forward();
  if (argv[2] == std::string("backward")) device.backward();
  check(cudaDeviceSynchronize());
  return 0;
}
