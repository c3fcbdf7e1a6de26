// Segment attention on CUDA, backward, without atomics. dQ is a sum over keys and dK, dV are sums
// over queries, so the pairs are visited twice: once with queries owned (scores, dP, dQ: three
// products), once with keys owned (scores, dP, dK, dV: four). A team that holds its whole unit does
// both on the rows that it loaded once. Longer units take two launches, and delta = out . dout
// passes from the first to the second through the workspace.
#include <math_constants.h>

#include "kernels/cuda/bias_parts.cuh"
#include "kernels/cuda/segment_attention_block.cuh"
#include "kernels/cuda/segment_attention_launch.cuh"

namespace lait::kernels::cuda {
namespace {

enum class Phase { kBoth, kQueries, kKeys };

template <class T, int D>
struct BackwardMemory {  // shared memory, in bytes from its start
  static constexpr int kRows = kWarps * warp_rows(D);
  static constexpr int kArray = kRows * D * static_cast<int>(sizeof(T));
  // Two arrays each; those of the streamed side once for each stage.
  static constexpr int kOwn = 0, kStream = 2 * kArray;
  __host__ __device__ static int out(int stages) { return kStream + 2 * stages * kArray; }
  __host__ __device__ static int scalars(int stages) {
    return out(stages) + kWarps * own_rows(D) * D * static_cast<int>(sizeof(T));
  }
  // After lse and delta of each stage.
  __host__ __device__ static int scratch(int stages) {
    return scalars(stages) + 2 * stages * 4 * kRows;
  }
  __host__ __device__ static int bias(int stages, bool has_scratch) {
    return scratch(stages) + (has_scratch ? kWarps * scratch_bytes(D) : 0);
  }
  // The biases by distance, then the bins of each warp; then the warps' sums of the lexical bias.
  __host__ __device__ static int num_distances(const SegmentAttentionParams& p) {
    return p.bias.table ? 2 * p.bias.max_distance + 1 : 0;
  }
  static int bytes(const SegmentAttentionParams& p, int stages, bool has_scratch,
                   bool has_lexical_grad) {
    return bias(stages, has_scratch) + 4 * num_distances(p) * (1 + kWarps) +
           (has_lexical_grad ? 4 * kWarps : 0);
  }
};

// State that the two halves of the kernel share.
template <class T, int D, bool kGeneral>
struct Backward {
  using Math = TileMath<T, D>;
  using Memory = BackwardMemory<T, D>;
  static constexpr int kTiles = Math::kTiles;
  using Tile = float[kTiles][4];

  const SegmentAttentionGradParams& params;
  const SegmentAttentionParams& p;
  const Share& share;
  Unit unit;
  DropoutTile dropout;
  float scale, keep_scale, lexical;
  const float* bias;
  float* bins;    // of the warp: gradient of the bias by distance, or null
  char* scratch;  // of the warp

  // The probability from a score, given whether the pair is visible and its words match, its key
  // and query position and the query's lse.
  __device__ float probability(float score, bool visible, bool matches, int key, int query_position,
                               float lse) const {
    float x = score * scale;
    if (kGeneral) {
      if (p.bias.table) x += bias[distance_index(p, key, query_position)];
      if (matches) x += lexical;
      if (p.causal) visible = visible && key <= query_position;
    }
    return visible ? exp2_approx(x - lse * kLog2e) : 0;
  }

  // Adds ds (rows: keys from `key` on, columns: queries) to the bins. Consecutive keys have
  // different distances to a query, except beyond the largest distance, so lanes add in parallel,
  // one column after another.
  __device__ void add_to_bins(const Tile& ds, int tiles, int key,
                              const int (&query_position)[kTiles][2]) {
    const int lane = threadIdx.x % 32, furthest = p.bias.max_distance;
    float* shared = reinterpret_cast<float*>(scratch);
    write_tile<D>(ds, tiles, shared);
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      if (t >= tiles) continue;
      for (int column = 0; column < 8; ++column) {
        const int even = __shfl_sync(kAllLanes, query_position[t][0], column / 2);
        const int odd = __shfl_sync(kAllLanes, query_position[t][1], column / 2);
        const int distance = key + lane - (column % 2 ? odd : even);
        const float x = lane < kStep ? shared[lane * scratch_row(D) + 8 * t + column] : 0;
        const bool before = distance <= -furthest, behind = distance >= furthest;
        if (lane < kStep && !before && !behind) bins[distance + furthest] += x;
        if (__any_sync(kAllLanes, lane < kStep && before)) add_sum(before ? x : 0, 0);
        if (__any_sync(kAllLanes, lane < kStep && behind)) add_sum(behind ? x : 0, 2 * furthest);
        __syncwarp();
      }
    }
  }
  __device__ void add_sum(float x, int bin) {
    x = sum_over_lanes<1, 32>(x);
    if (threadIdx.x % 32 == 0) bins[bin] += x;
  }
};

// delta = out . dout of the warp's queries, with dout in shared rows from `row` on, and their lse.
template <class T, int D>
__device__ void load_scalars(const SegmentAttentionParams& p, const Launch& launch, int head,
                             int first_query, int count, Shared dout, int row, float* lse,
                             float* delta) {
  using Smem = SharedRows<T, D>;
  constexpr int kAtOnce = 32 / Smem::kPieces, kElements = Smem::kElements;
  const int lane = threadIdx.x % 32, piece = lane % Smem::kPieces;
  if (lane < count)
    lse[row + lane] = static_cast<const float*>(p.lse)[head * p.num_q_rows + first_query + lane];
  for (int begin = 0; begin < count; begin += kAtOnce) {
    const int i = begin + lane / Smem::kPieces;
    float sum = 0;
    if (i < count) {
      const T* out =
          row_pointer<T>(Rows<const void*>{p.out.data, p.out.row_stride, p.out.head_stride},
                         first_query + i, head);
      __align__(16) T a[kElements], b[kElements];
      *reinterpret_cast<uint4*>(a) = load16(out + piece * kElements);
      *reinterpret_cast<uint4*>(b) = load16(Smem::piece(dout, row + i, piece));
#pragma unroll
      for (int k = 0; k < kElements; ++k)
        sum = fmaf(static_cast<float>(a[k]), static_cast<float>(b[k]), sum);
    }
    sum = sum_over_lanes<1, Smem::kPieces>(sum);
    if (i < count && piece == 0) {
      delta[row + i] = sum;
      if (launch.delta) launch.delta[head * p.num_q_rows + first_query + i] = sum;
    }
  }
}

template <class T, int D, bool kGeneral, Phase kPhase>
__global__ __launch_bounds__(kThreads,
                             2) void backward_kernel(const SegmentAttentionGradParams params,
                                                     const Launch launch) {
  using Kernel = Backward<T, D, kGeneral>;
  using Math = typename Kernel::Math;
  using Memory = BackwardMemory<T, D>;
  using Accumulator = typename Math::Accumulator;
  constexpr int kTiles = Math::kTiles;
  extern __shared__ __align__(128) char shared[];
  const SegmentAttentionParams& p = params.forward;
  const int heads = static_cast<int>(p.num_heads), stages = launch.stages;
  if (is_for_dead_rows(launch, heads)) {
    const int head = blockIdx.x % heads;
    clear_dead_rows<T, D>(params.dq, p.q_offsets, p.num_units, p.num_q_rows, head);
    clear_dead_rows<T, D>(params.dk, p.k_offsets, p.num_units, p.num_k_rows, head);
    clear_dead_rows<T, D>(params.dv, p.k_offsets, p.num_units, p.num_k_rows, head);
    return;
  }
  const bool has_bias_grad = kGeneral && kPhase != Phase::kKeys && launch.bias_parts != nullptr;
  const bool has_lexical_grad =
      kGeneral && kPhase != Phase::kKeys && launch.lexical_parts != nullptr;
  const int num_distances = Memory::num_distances(p);
  float* bias =
      reinterpret_cast<float*>(shared + Memory::bias(stages, sizeof(T) == 4 || has_bias_grad));
  float* bins = bias + num_distances;
  float* lexical_sums = bins + kWarps * num_distances;
  float lexical_sum = 0;  // of the thread's pairs
  const Share share = share_of(launch, heads);
  if (kGeneral && p.bias.table) {
    fill_bias(bias, p, share.head);
    for (int i = threadIdx.x; has_bias_grad && i < kWarps * num_distances; i += kThreads)
      bins[i] = 0;
    __syncthreads();
  }
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, c = lane % 4;

  auto work = [&] {
    if (share.unit < 0) return;
    const Team team = share.team;
    const Unit unit = unit_of(p, share.unit);
    const int chunk = team.warps * warp_rows(D), team_row = team.index * chunk;
    const int own_row = team_row + team.warp * own_rows(D);
    const Shared base = shared_address(shared), own_base = base + Memory::kOwn;
    const Shared out_rows = base + Memory::out(stages);
    const int out_row = warp * own_rows(D);
    // lse and delta of each stage.
    float* scalars = reinterpret_cast<float*>(shared + Memory::scalars(stages));
    Kernel k{params,
             p,
             share,
             unit,
             DropoutTile(p, share),
             p.scale * kLog2e,
             1 / (1 - p.dropout.p),
             kGeneral ? lexical_bias(p, share.head) : 0,
             bias,
             has_bias_grad ? bins + warp * num_distances : nullptr,
             shared + Memory::scratch(stages) + warp * scratch_bytes(D)};
    const bool drops = kGeneral && p.dropout.p > 0, has_words = kGeneral && p.lexical.table;

    auto load_pair = [&](Shared to, const Rows<const void*>& a, const Rows<const void*>& b,
                         int64_t from, int count, int row, int padded, int thread, int threads) {
      load_rows<T, D>(to, row, a, from, share.head, count, padded, thread, threads);
      load_rows<T, D>(to + Memory::kArray, row, b, from, share.head, count, padded, thread,
                      threads);
    };
    // Loads a chunk of the streamed side: keys, or queries with their scalars.
    auto load_chunk = [&](int index, bool keys) {
      const int from = index * chunk, total = keys ? unit.num_k : unit.num_q,
                rows = min(chunk, total - from);
      const int padded = (rows + kStep - 1) / kStep * kStep, stage = index % stages;
      const Shared to = base + Memory::kStream + stage * 2 * Memory::kArray;
      if (keys) {
        load_pair(to, p.k, p.v, unit.k_begin + from, rows, team_row, padded, team.thread(),
                  team.threads());
      } else {
        load_pair(to, p.q, params.dout, unit.q_begin + from, rows, team_row, padded, team.thread(),
                  team.threads());
        const int64_t first = share.head * p.num_q_rows + unit.q_begin + from;
        const Shared lse = shared_address(scalars + 2 * stage * Memory::kRows + team_row);
        for (int i = team.thread(); i < padded; i += team.threads()) {
          copy4_async(lse + 4 * i, static_cast<const float*>(p.lse) + first + i, i < rows);
          copy4_async(lse + 4 * (Memory::kRows + i), launch.delta + first + i, i < rows);
        }
      }
      commit_copies();
    };
    auto stream = [&](bool keys, auto before, auto step) {
      const int num_chunks = ((keys ? unit.num_k : unit.num_q) + chunk - 1) / chunk;
      stream_chunks(
          team, stages, num_chunks, [&](int i) { load_chunk(i, keys); }, before, step);
    };
    auto write = [&](Accumulator& acc, int tiles, float factor, const Rows<void*>& rows, int64_t to,
                     int count) {
#pragma unroll
      for (int m = 0; m < Math::kChannelTiles; ++m) {
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
#pragma unroll
          for (int e = 0; e < 4; ++e) acc[m][t][e] *= factor;
        }
      }
      __syncwarp();
      Math::store(acc, tiles, out_rows, out_row);
      __syncwarp();
      store_rows<T, D>(out_rows, out_row, rows, to, share.head, count);
    };

    if (kPhase != Phase::kKeys) {
      const int count = min(max(unit.num_q - share.begin, 0), own_rows(D)), tiles = (count + 7) / 8;
      if (kPhase == Phase::kBoth) {  // all queries of the unit, for all warps
        load_pair(own_base, p.q, params.dout, unit.q_begin, unit.num_q, team_row,
                  (unit.num_q + kStep - 1) / kStep * kStep, team.thread(), team.threads());
      } else {
        load_pair(own_base, p.q, params.dout, unit.q_begin + share.begin, count, own_row, 8 * tiles,
                  lane, 32);
      }
      Accumulator dq = {};
      typename Math::Own own_q{}, own_dout{};
      float lse[kTiles][2] = {}, delta[kTiles][2] = {};
      const QueryColumns<kTiles> columns(kGeneral, p, unit, share.begin, tiles);
      auto before = [&] {
        load_scalars<T, D>(p, launch, share.head, unit.q_begin + share.begin, count,
                           own_base + Memory::kArray, own_row, scalars, scalars + Memory::kRows);
        __syncwarp();
        own_q = Math::own(own_base, own_row, tiles);
        own_dout = Math::own(own_base + Memory::kArray, own_row, tiles);
#pragma unroll
        for (int t = 0; t < kTiles; ++t) {
          if (t >= tiles) continue;
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int i = 8 * t + 2 * c + e;
            lse[t][e] = i < count ? scalars[own_row + i] : 0;
            delta[t][e] = i < count ? scalars[Memory::kRows + own_row + i] : 0;
          }
        }
      };
      stream(true, before, [&](int index) {
        const Shared keys = base + Memory::kStream + index % stages * 2 * Memory::kArray;
        const int rows = min(chunk, unit.num_k - index * chunk);
        for (int row = 0; tiles > 0 && row < rows; row += kStep) {
          const int key = index * chunk + row;
          if (kGeneral && p.causal && key > columns.last) break;
          float s[kTiles][4], ds[kTiles][4];
          Math::scores(keys, team_row + row, own_q, tiles, s);
          Math::scores(keys + Memory::kArray, team_row + row, own_dout, tiles, ds);
          const int words[2] = {has_words ? key_word(p, unit, key + g) : kNoWord,
                                has_words ? key_word(p, unit, key + g + 8) : kNoWord};
#pragma unroll
          for (int t = 0; t < kTiles; ++t) {
            if (t >= tiles) continue;
            const uint32_t keep = drops ? k.dropout.keys_by_queries(key, columns.of_call[t]) : 15;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
              const int in_tile = g + e / 2 * 8;
              const bool visible = row + in_tile < rows && 8 * t + 2 * c + e % 2 < count;
              const bool matches =
                  has_words && words_match(columns.word_of_lane[t][e % 2], words[e / 2]);
              const float probability = k.probability(s[t][e], visible, matches, key + in_tile,
                                                      columns.of_lane[t][e % 2], lse[t][e % 2]);
              if (drops) ds[t][e] = keep >> e & 1 ? ds[t][e] * k.keep_scale : 0;
              ds[t][e] = probability * (ds[t][e] - delta[t][e % 2]);
              if (has_lexical_grad && matches) lexical_sum += ds[t][e];
            }
          }
          if (has_bias_grad) k.add_to_bins(ds, tiles, key, columns.of_lane);
          Math::accumulate(keys, team_row + row, rows - row <= 8, ds, tiles, k.scratch, dq);
        }
      });
      if (tiles > 0) write(dq, tiles, p.scale, params.dq, unit.q_begin + share.begin, count);
    }
    if (kPhase == Phase::kBoth) team.sync();  // the scalars of all queries

    if (kPhase != Phase::kQueries) {
      const int count = min(max(unit.num_k - share.begin, 0), own_rows(D)), tiles = (count + 7) / 8;
      // In one launch the streamed side is the owned one now, and vice versa.
      const Shared keys = base + (kPhase == Phase::kBoth ? Memory::kStream : Memory::kOwn);
      const Shared queries_base = base + (kPhase == Phase::kBoth ? Memory::kOwn : Memory::kStream);
      Accumulator dk = {}, dv = {};
      typename Math::Own own_k{}, own_v{};
      int words[kTiles][2] = {};  // of the lane's columns
#pragma unroll
      for (int t = 0; has_words && t < kTiles; ++t) {
#pragma unroll
        for (int e = 0; e < 2; ++e)
          words[t][e] = key_word(p, unit, share.begin + 8 * t + 2 * c + e);
      }
      auto before = [&] {
        own_k = Math::own(keys, own_row, tiles);
        own_v = Math::own(keys + Memory::kArray, own_row, tiles);
      };
      auto step = [&](int index) {
        const Shared queries = queries_base + index % stages * 2 * Memory::kArray;
        const float* lse = scalars + 2 * (index % stages) * Memory::kRows + team_row;
        const int rows = min(chunk, unit.num_q - index * chunk);
        for (int row = 0; tiles > 0 && row < rows; row += kStep) {
          const int first = index * chunk + row;  // query
          int query_position[2] = {}, query_words[2] = {}, call_position = 0;
          float row_lse[2], row_delta[2];
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            const int in_tile = g + 8 * h;
            const bool valid = row + in_tile < rows;
            row_lse[h] = valid ? lse[row + in_tile] : 0;
            row_delta[h] = valid ? lse[Memory::kRows + row + in_tile] : 0;
            if (kGeneral) query_position[h] = position(p, unit, first + in_tile);
            if (has_words) query_words[h] = query_word(p, unit, first + in_tile);
          }
          if (kGeneral && p.causal &&
              !__any_sync(kAllLanes, max(query_position[0], query_position[1]) >= share.begin)) {
            continue;
          }
          if (drops) call_position = position(p, unit, first + lane / 2);
          float s[kTiles][4], ds[kTiles][4];
          Math::scores(queries, team_row + row, own_k, tiles, s);
          Math::scores(queries + Memory::kArray, team_row + row, own_v, tiles, ds);
#pragma unroll
          for (int t = 0; t < kTiles; ++t) {
            if (t >= tiles) continue;
            const int key = share.begin + 8 * t;
            const uint32_t keep = drops ? k.dropout.queries_by_keys(key, call_position) : 15;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
              const int h = e / 2, column = 2 * c + e % 2;
              const bool matches = has_words && words_match(query_words[h], words[t][e % 2]);
              const float probability =
                  k.probability(s[t][e], row + g + 8 * h < rows && 8 * t + column < count, matches,
                                key + column, query_position[h], row_lse[h]);
              const float factor = drops ? (keep >> e & 1 ? k.keep_scale : 0) : 1;
              s[t][e] = probability * factor;
              ds[t][e] = probability * (ds[t][e] * factor - row_delta[h]);
            }
          }
          const bool half = rows - row <= 8;
          Math::accumulate(queries + Memory::kArray, team_row + row, half, s, tiles, k.scratch, dv);
          Math::accumulate(queries, team_row + row, half, ds, tiles, k.scratch, dk);
        }
      };
      if (kPhase == Phase::kBoth) {
        before();
        if (unit.num_q > 0) step(0);
      } else {
        load_pair(own_base, p.k, p.v, unit.k_begin + share.begin, count, own_row, 8 * tiles, lane,
                  32);
        stream(false, before, step);
      }
      if (tiles > 0) {
        write(dk, tiles, p.scale, params.dk, unit.k_begin + share.begin, count);
        write(dv, tiles, 1, params.dv, unit.k_begin + share.begin, count);
      }
    }
  };
  work();

  if (has_bias_grad) {
    __syncthreads();
    for (int bucket = threadIdx.x; bucket < p.bias.num_buckets; bucket += kThreads) {
      float sum = 0;
      for (int i = 0; i < num_distances; ++i) {
        if (position_bucket(i - p.bias.max_distance, p.bias.num_buckets, p.bias.max_distance,
                            p.bias.bidirectional) != bucket)
          continue;
        for (int w = 0; w < kWarps; ++w) sum += bins[w * num_distances + i];
      }
      launch.bias_parts[(static_cast<int64_t>(share.block) * p.bias.num_buckets + bucket) *
                            p.num_heads +
                        share.head] = sum;
    }
  }
  if (has_lexical_grad) {
    lexical_sum = sum_over_lanes<1, 32>(lexical_sum);
    if (lane == 0) lexical_sums[warp] = lexical_sum;
    __syncthreads();
    if (threadIdx.x == 0) {
      float sum = 0;
      for (int w = 0; w < kWarps; ++w) sum += lexical_sums[w];
      launch.lexical_parts[static_cast<int64_t>(share.block) * p.num_heads + share.head] = sum;
    }
  }
}

int64_t delta_bytes(const SegmentAttentionParams& p) {
  return (4 * p.num_heads * p.num_q_rows + 15) / 16 * 16;
}

}  // namespace

int64_t backward_workspace_bytes(const SegmentAttentionGradParams& params) {
  return delta_bytes(params.forward) + BiasParts(params, nullptr).bytes();
}

void segment_attention_backward(const SegmentAttentionGradParams& params) {
  const SegmentAttentionParams& p = params.forward;
  check_no_runs(p);
  check_cuda_params(p);
  const int64_t bytes = element_bytes(p);
  check_rows("dout", params.dout, bytes);
  check_rows("dq", params.dq, bytes);
  check_rows("dk", params.dk, bytes);
  check_rows("dv", params.dv, bytes);
  check_lse(p);
  if (params.workspace == nullptr && backward_workspace_bytes(params) > 0)
    refuse("backward on CUDA needs a workspace, got null");
  float* delta = static_cast<float*>(params.workspace);
  const BiasParts parts(params, delta + delta_bytes(p) / 4);
  const int num_together = num_blocks(p.work.blocks[kTogether]);
  dispatch(p.dtype, p.head_dim, is_general(p), [&](auto types) {
    using Types = decltype(types);
    using T = typename Types::T;
    constexpr int kDim = Types::kDim;
    // `first`: the part of the biases' gradients that its first block writes.
    auto run = [&](auto kernel, WorkPart part, bool dead_rows, int first) {
      Launch launch = launch_of(p.work, part);
      launch.delta = part == kTogether ? nullptr : delta;
      if (part != kByKey) parts.put(launch, first);
      start(kernel, params, launch, p.num_heads, part != kTogether, dead_rows, p.stream,
            [&](int stages) {
              return BackwardMemory<T, kDim>::bytes(p, stages,
                                                    sizeof(T) == 4 || launch.bias_parts != nullptr,
                                                    launch.lexical_parts != nullptr);
            });
    };
    run(backward_kernel<T, kDim, Types::kGeneral, Phase::kBoth>, kTogether, true, 0);
    run(backward_kernel<T, kDim, Types::kGeneral, Phase::kQueries>, kByQuery, false, num_together);
    run(backward_kernel<T, kDim, Types::kGeneral, Phase::kKeys>, kByKey, false, 0);
  });
  parts.sum();
}

}  // namespace lait::kernels::cuda
