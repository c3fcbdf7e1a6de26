// The parts of an encoder that training leaves as they are (training.freeze).
#pragma once
#include <cstdint>
#include <vector>

#include "lait/config/config.h"

namespace lait {

struct FrozenParts {
  // Also tables that layers share, which would need the layers' backward.
  bool embeddings = false;
  // By layer; empty: none.
  std::vector<bool> layers = {};

  bool layer(int64_t i) const { return !layers.empty() && layers[static_cast<size_t>(i)]; }
};

// "embeddings"; "layer N"; "layers A-B", from 0, both included; "independent": the embeddings and
// all layers before the first of example scope, so that what a segment becomes there stays the same
// in the whole training. Throws UserError "training.freeze: expected …, got …".
FrozenParts resolve_frozen(const NameList& list, const Schedule& schedule, int64_t num_layers);

}  // namespace lait
