// Segment attention on CUDA, forward: warps own queries and stream the keys and values of their
// unit, with the online softmax of FlashAttention-2 (Dao 2023, algorithm 1). Instead of the running
// maximum a column keeps a reference, which is raised only when a probability would exceed 2^8
// (kSlack), so that the accumulators are seldom rescaled.
#include <math_constants.h>

#include "kernels/cuda/segment_attention_block.cuh"
#include "kernels/cuda/segment_attention_launch.cuh"

namespace lait::kernels::cuda {
namespace {

// log2 of the factor by which a probability may exceed 1 before the reference is raised.
constexpr float kSlack = 8;

template <class T, int D>
struct ForwardMemory {  // shared memory, in bytes from its start
  static constexpr int kArray = kWarps * warp_rows(D) * D * static_cast<int>(sizeof(T));
  static constexpr int kQ = 0, kKeys = kArray;  // then keys and values of each stage
  __host__ __device__ static int scratch(int stages) { return kKeys + 2 * stages * kArray; }
  __host__ __device__ static int bias(int stages) {
    return scratch(stages) + kWarps * TileMath<T, D>::kScratchBytes;
  }
  static int bytes(const SegmentAttentionParams& p, int stages) {
    return bias(stages) + (p.bias.table ? 4 * (2 * p.bias.max_distance + 1) : 0);
  }
};

// Where the keys lie: a kernel's argument with
//   load<T, D>(keys, values, to, p, unit, index, from, head, rows, padded, team)
// that copies keys and values [from, from + rows) of the unit to two arrays of shared rows.
struct KeysInOrder {
  template <class T, int D>
  __device__ void load(Shared keys, Shared values, int to, const SegmentAttentionParams& p,
                       const Unit& unit, int, int from, int head, int rows, int padded,
                       const Team& team) const {
    load_rows<T, D>(keys, to, p.k, unit.k_begin + from, head, rows, padded, team.thread(),
                    team.threads());
    load_rows<T, D>(values, to, p.v, unit.k_begin + from, head, rows, padded, team.thread(),
                    team.threads());
  }
};

// Each thread walks along the unit's runs with the rows that it copies; units have few runs.
struct KeysInRuns {
  KeySource sources[kMaxSources];

  template <class T, int D>
  __device__ void load(Shared keys, Shared values, int to, const SegmentAttentionParams& p,
                       const Unit&, int index, int from, int head, int rows, int padded,
                       const Team& team) const {
    auto copy = [&](Shared base, const void* KeySource::*data, int64_t head_stride) {
      const KeyRun* run = p.runs + p.run_offsets[index];
      int64_t begin = -from;  // the run's first row, counted from row `from`
      auto row_of = [&](int row) {
        while (row >= begin + run->length) begin += run++->length;
        const KeySource& source = sources[run->source];
        return static_cast<const T*>(source.*data) + run->offset +
               (row - begin) * source.row_stride + head * head_stride;
      };
      load_rows<T, D>(base, to, row_of, p.q.data, rows, padded, team.thread(), team.threads());
    };
    copy(keys, &KeySource::k, p.k.head_stride);
    copy(values, &KeySource::v, p.v.head_stride);
  }
};

// kGeneral: with a bias, causality or dropout.
template <class T, int D, bool kGeneral, class Keys>
__global__ __launch_bounds__(kThreads, 3) void forward_kernel(const SegmentAttentionParams p,
                                                              const Launch launch,
                                                              const __grid_constant__ Keys lie) {
  using Math = TileMath<T, D>;
  using Memory = ForwardMemory<T, D>;
  constexpr int kTiles = Math::kTiles;
  extern __shared__ __align__(128) char shared[];
  const int heads = static_cast<int>(p.num_heads);
  if (is_for_dead_rows(launch, heads)) {
    const int head = blockIdx.x % heads;
    clear_dead_rows<T, D>(p.out, p.q_offsets, p.num_units, p.num_q_rows, head);
    const int first = p.q_offsets[0], last = p.q_offsets[p.num_units];
    for (int64_t t = threadIdx.x; p.lse && t < p.num_q_rows; t += kThreads) {
      if (t < first || t >= last)
        static_cast<float*>(p.lse)[head * p.num_q_rows + t] = -CUDART_INF_F;
    }
    return;
  }
  float* bias = reinterpret_cast<float*>(shared + Memory::bias(launch.stages));
  const Share share = share_of(launch, heads);
  if (kGeneral && p.bias.table) {
    fill_bias(bias, p, share.head);
    __syncthreads();
  }
  if (share.unit < 0) return;

  const Team team = share.team;
  const Unit unit = unit_of(p, share.unit);
  const int count = min(max(unit.num_q - share.begin, 0), own_rows(D)), tiles = (count + 7) / 8;
  const int chunk = team.warps * warp_rows(D), num_chunks = (unit.num_k + chunk - 1) / chunk;
  const Shared base = shared_address(shared);
  const int team_row = team.index * chunk, own_row = team_row + team.warp * own_rows(D);
  char* scratch = shared + Memory::scratch(launch.stages) + threadIdx.x / 32 * Math::kScratchBytes;
  const int g = threadIdx.x % 32 / 4, c = threadIdx.x % 4;

  auto load_keys = [&](int index) {
    const int from = index * chunk, rows = min(chunk, unit.num_k - from),
              padded = (rows + kStep - 1) / kStep * kStep;
    const Shared keys = base + Memory::kKeys + index % launch.stages * 2 * Memory::kArray;
    lie.template load<T, D>(keys, keys + Memory::kArray, team_row, p, unit, share.unit, from,
                            share.head, rows, padded, team);
    commit_copies();
  };
  load_rows<T, D>(base + Memory::kQ, own_row, p.q, unit.q_begin + share.begin, share.head, count,
                  8 * tiles, threadIdx.x % 32, 32);

  typename Math::Accumulator acc = {};
  float reference[kTiles][2], sum[kTiles][2];
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
    reference[t][0] = reference[t][1] = -CUDART_INF_F;
    sum[t][0] = sum[t][1] = 0;
  }
  const QueryColumns<kTiles> queries(kGeneral, p, unit, share.begin, tiles);
  const DropoutTile dropout(p, share);
  const float keep_scale = 1 / (1 - p.dropout.p), scale = p.scale * kLog2e;
  const float lexical = kGeneral ? lexical_bias(p, share.head) : 0;

  // One tile of 16 keys from `row` of the chunk, key `key` of the unit; `left` keys remain in the
  // chunk.
  auto step = [&](Shared keys, const typename Math::Own& own, int row, int key, int left) {
    float s[kTiles][4];
    Math::scores(keys, row, own, tiles, s);
    bool raise = false;
    const int words[2] = {kGeneral ? key_word(p, unit, key + g) : kNoWord,
                          kGeneral ? key_word(p, unit, key + g + 8) : kNoWord};
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      if (t >= tiles) continue;
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int in_tile = g + e / 2 * 8;
        float x = s[t][e] * scale;
        bool visible = in_tile < left;
        if (kGeneral) {
          if (p.bias.table) x += bias[distance_index(p, key + in_tile, queries.of_lane[t][e % 2])];
          if (p.lexical.table && words_match(queries.word_of_lane[t][e % 2], words[e / 2]))
            x += lexical;
          if (p.causal) visible = visible && key + in_tile <= queries.of_lane[t][e % 2];
        }
        s[t][e] = visible ? x : -CUDART_INF_F;
        raise = raise || s[t][e] > reference[t][e % 2] + kSlack;
      }
    }
    if (__any_sync(kAllLanes, raise)) {
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        if (t >= tiles) continue;
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float highest = fmaxf(fmaxf(s[t][e], s[t][e + 2]), reference[t][e]);
#pragma unroll
          for (int lanes = 4; lanes < 32; lanes *= 2)
            highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, lanes));
          const float factor =
              highest == -CUDART_INF_F ? 1 : exp2_approx(reference[t][e] - highest);
          reference[t][e] = highest;
          sum[t][e] *= factor;
#pragma unroll
          for (int m = 0; m < Math::kChannelTiles; ++m) {
            acc[m][t][e] *= factor;
            acc[m][t][e + 2] *= factor;
          }
        }
      }
    }
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      if (t >= tiles) continue;
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float from = reference[t][e % 2];
        s[t][e] = exp2_approx(s[t][e] - (from == -CUDART_INF_F ? 0 : from));
        sum[t][e % 2] += s[t][e];
      }
      if (kGeneral && p.dropout.p > 0) {
        const uint32_t keep = dropout.keys_by_queries(key, queries.of_call[t]);
#pragma unroll
        for (int e = 0; e < 4; ++e) s[t][e] = keep >> e & 1 ? s[t][e] * keep_scale : 0;
      }
    }
    Math::accumulate(keys + Memory::kArray, row, left <= 8, s, tiles, scratch, acc);
  };

  typename Math::Own own{};
  auto load_own = [&] { own = Math::own(base + Memory::kQ, own_row, tiles); };
  stream_chunks(team, launch.stages, num_chunks, load_keys, load_own, [&](int i) {
    const Shared keys = base + Memory::kKeys + i % launch.stages * 2 * Memory::kArray;
    const int rows = min(chunk, unit.num_k - i * chunk);
    for (int row = 0; tiles > 0 && row < rows; row += kStep) {
      if (kGeneral && p.causal && i * chunk + row > queries.last) break;
      step(keys, own, team_row + row, i * chunk + row, rows - row);
    }
  });
  if (tiles == 0) return;

#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
    if (t >= tiles) continue;
    float lse[2];
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      sum[t][e] = sum_over_lanes<4, 32>(sum[t][e]);
      const float inverse = sum[t][e] > 0 ? 1 / sum[t][e] : 0;
#pragma unroll
      for (int m = 0; m < Math::kChannelTiles; ++m) {
        acc[m][t][e] *= inverse;
        acc[m][t][e + 2] *= inverse;
      }
      lse[e] = sum[t][e] > 0 ? (reference[t][e] + log2f(sum[t][e])) * kLn2 : -CUDART_INF_F;
    }
    const int i = 8 * t + 2 * c + g;
    if (p.lse && g < 2 && i < count) {  // eight lanes store eight consecutive numbers
      static_cast<float*>(p.lse)[share.head * p.num_q_rows + unit.q_begin + share.begin + i] =
          g == 0 ? lse[0] : lse[1];
    }
  }
  __syncwarp();
  Math::store(acc, tiles, base + Memory::kQ, own_row);
  __syncwarp();
  store_rows<T, D>(base + Memory::kQ, own_row, p.out, unit.q_begin + share.begin, share.head,
                   count);
}

}  // namespace

std::string device_problem() {
  int device = 0, major = 0;
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess)
    status = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  if (status != cudaSuccess)
    return std::string("no usable GPU (") + cudaGetErrorString(status) + ")";
  if (major >= 8) return "";
  return "needs a GPU of compute capability 8.0 or newer (A100, RTX 30), got " +
         std::to_string(major) + ".x";
}

std::string device_name() {
  int device = 0;
  cudaDeviceProp properties{};
  cudaError_t status = cudaGetDevice(&device);
  if (status == cudaSuccess) status = cudaGetDeviceProperties(&properties, device);
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
  return properties.name;
}

void segment_attention_forward(const SegmentAttentionParams& p) {
  check_cuda_params(p);
  const bool general = is_general(p);
  auto launch = [&](const auto& keys) {
    using Keys = std::remove_cvref_t<decltype(keys)>;
    dispatch(p.dtype, p.head_dim, general, [&](auto types) {
      using Types = decltype(types);
      auto kernel = forward_kernel<typename Types::T, Types::kDim, Types::kGeneral, Keys>;
      auto bytes = [&](int stages) {
        return ForwardMemory<typename Types::T, Types::kDim>::bytes(p, stages);
      };
      start(kernel, p, launch_of(p.work, kTogether), p.num_heads, /*streams=*/false,
            /*dead_rows=*/true, p.stream, bytes, keys);
      start(kernel, p, launch_of(p.work, kByQuery), p.num_heads, /*streams=*/true,
            /*dead_rows=*/false, p.stream, bytes, keys);
    });
  };
  if (p.runs == nullptr) return launch(KeysInOrder{});
  KeysInRuns keys;
  std::copy_n(p.sources, p.num_sources, keys.sources);
  launch(keys);
}

}  // namespace lait::kernels::cuda
