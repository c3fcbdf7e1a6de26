// The PTX instructions that the CUDA kernels use, one function each (PTX ISA 8.0, sm_80):
// asynchronous copies, matrix fragments and products, barriers of a few warps. Shared-memory
// addresses are 32-bit.
//
// Fragments, for lane = 4 * g + c of a warp (PTX ISA, "Matrix fragments for mma.m16n8k16"):
//   accumulator, 16 x 8: [0], [1] are row g, columns 2c, 2c + 1;  [2], [3] row g + 8
//   A, 16 x 16: [0] row g, [1] row g + 8, columns 2c, 2c + 1;
//               [2], [3] the same rows, columns 8 further
//   B, 16 x 8: [0] rows 2c, 2c + 1 of column g;  [1] rows 8 further
#pragma once
#include <cuda_bf16.h>

#include <cstdint>

namespace lait::kernels::cuda {

using Shared = uint32_t;  // an address in shared memory

__device__ inline Shared shared_address(const void* p) {
  return static_cast<Shared>(__cvta_generic_to_shared(p));
}

// Copies 16 bytes from global to shared memory without registers; writes zeros and reads nothing if
// not `valid`.
__device__ inline void copy16_async(Shared to, const void* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(valid ? 16 : 0)
               : "memory");
}
__device__ inline void copy4_async(Shared to, const void* from, bool valid) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(from),
               "r"(valid ? 4 : 0)
               : "memory");
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most the `kPending` groups committed last are pending.
template <int kPending>
__device__ inline void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// 16 bytes in one instruction; an assignment of a uint4 may become four stores.
__device__ inline uint4 load16(Shared from) {
  uint4 x;
  asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
               : "r"(from)
               : "memory");
  return x;
}
__device__ inline uint4 load16(const void* from) {
  uint4 x;
  asm volatile("ld.global.v4.u32 {%0,%1,%2,%3}, [%4];"
               : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
               : "l"(from)
               : "memory");
  return x;
}
__device__ inline void store16(void* to, uint4 x) {
  asm volatile("st.global.v4.u32 [%0], {%1,%2,%3,%4};" ::"l"(to), "r"(x.x), "r"(x.y), "r"(x.z),
               "r"(x.w)
               : "memory");
}

// A barrier of `threads` threads, a multiple of 32; ids below 16, 0 is __syncthreads'.
__device__ inline void barrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Four 8 x 8 matrices of 16-bit elements; lane l gives the address of row l % 8 of matrix l / 8.
__device__ inline void load_matrices(uint32_t (&r)[4], Shared row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
__device__ inline void load_matrices_transposed(uint32_t (&r)[4], Shared row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
// Two matrices; lanes 0 to 15 give addresses.
__device__ inline void load_two_matrices_transposed(uint32_t (&r)[4], Shared row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(row)
               : "memory");
}
// The transpose of an 8 x 8 matrix of 16-bit elements that a warp holds, two to a lane.
__device__ inline uint32_t transpose(uint32_t x) {
  uint32_t y;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
  return y;
}

// d += a b, 16 x 8 += 16 x 16 times 16 x 8.
__device__ inline void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                    uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// The same with an inner dimension of 8: a[0], a[1] and b0 only.
__device__ inline void multiply_add_half(float (&d)[4], const uint32_t (&a)[4], uint32_t b0) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b0));
}

__device__ inline uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

__device__ inline float exp2_approx(float x) {  // 2 ulp; exp2(-infinity) = 0
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace lait::kernels::cuda
