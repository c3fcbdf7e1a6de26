// train/: optimiser, trainer, run directory; the programs lait-train and lait-data.
//
// The training loop: steps, evaluation, checkpoints, and the best model. Its position is a few
// numbers (TrainerState, LogWindow). With the weights and the optimiser's moments they are all that
// a resumed run needs, since batches and dropout are functions of (seed, epoch, step).
#pragma once
#include <functional>
#include <memory>
#include <optional>

#include "eval/metrics.h"
#include "lait/base/signals.h"
#include "lait/config/config.h"
#include "lait/data/dataset.h"
#include "lait/data/task.h"
#include "lait/model/checkpoint.h"
#include "lait/predict/sequence_values.h"
#include "lait/ranks/ranks.h"
#include "train/best_model.h"
#include "train/log_window.h"
#include "train/profile.h"
#include "train/progress.h"
#include "train/run_directory.h"
#include "train/sampler.h"
#include "train/step_batches.h"
#include "train/train_step.h"
#include "train/trainer_state.h"

namespace lait {

struct TrainerInputs {
  Config config;
  // The first selects the best model, unless training.select_by names another.
  std::vector<std::string> metrics;
  std::shared_ptr<const Tokenizer> tokenizer;
  const Dataset* train = nullptr;
  const Dataset* validation = nullptr;  // null: none; the last model is the best
  // Asked between steps and between batches of an evaluation: the signal to stop for, or 0.
  std::function<int()> stop = stop_signal;
  // Of what is frozen (cache.dir). Null: all is computed.
  SequenceValues* values = nullptr;
  // What a teacher says of the training data. Null: there is none.
  const Distillation* distillation = nullptr;
  // Records some of the steps. Null: no.
  StepProfile* profile = nullptr;
  // The processes that train the model together. REQUIRES: not null.
  std::shared_ptr<Ranks> ranks = std::make_shared<Ranks>();
};

class Trainer {
 public:
  Trainer(Model model, const TrainerInputs& inputs, RunDirectory& run, Progress& progress);
  // Continues from a checkpoint. Throws UserError if it belongs to another run. If best/ is not the
  // one that the checkpoint knows, it is written or selected again, and a warning says so.
  void resume(const ResumePoint& point);
  // Trains to the end, or until early stopping, and returns 0. When a rank is told to stop, saves a
  // checkpoint and returns the signal's number. Throws UserError before it would save weights or
  // moments that are not finite. On a full disk, throws WriteError; without another rank, RankLost.
  // All name the last whole checkpoint.
  int run();
  const TrainerState& state() const { return state_; }
  int64_t total_steps() const { return length_.steps; }
  // Of the best model on the validation data. Null if an earlier process evaluated it, or none.
  const std::vector<Outcome>* best_outcomes() const {
    return best_outcomes_ ? &*best_outcomes_ : nullptr;
  }

 private:
  void restore(const ResumePoint& point);
  int run_steps();
  bool is_epoch_end() const;
  bool evaluation_due() const;
  bool checkpoint_due() const;
  bool stopped_early() const;
  bool is_finished() const;
  void count_improvement(const std::string& metric, double value);
  double epochs_done();
  void one_step();
  void write_log();
  std::optional<double> stored_share();
  bool evaluate();  // false: interrupted
  void save();
  void save_best();
  void check_best(const std::vector<FileSum>& expected);
  int stop_of_ranks();
  LogWindow read_window();
  void check_finite();
  void check_finite(const LogWindow& window) const;
  void check_last_step();
  std::string with_checkpoint(const std::string& problem) const;
  [[noreturn]] void give_up(const std::string& problem) const;

  Model model_;
  TrainerInputs in_;
  Ranks& ranks_;
  RunDirectory& run_;
  Progress& progress_;
  TrainingLength length_;
  TrainStep step_;
  const RunIdentity identity_;
  TrainerState state_;
  StepMaker batches_;
  double gemm_flops_per_s_ = 0;  // of all ranks
  std::string metric_;           // of the last validation, for the progress line
  OpenWindow window_;            // since the last line of the log
  SequenceValues::Counts
      logged_values_;         // of TrainerInputs::values, at the last line or evaluation
  double train_seconds_ = 0;  // of logged steps, to estimate the time left
  int64_t trained_steps_ = 0;
  std::optional<std::vector<Outcome>> best_outcomes_;
  BestModel best_model_;
  bool rewrites_best_ = false;  // best/ is lost, and this is its step
  bool saved_ = false;          // the newest checkpoint is of this state
  int64_t finite_step_ = -1;    // at which weights and moments were found finite
  std::optional<std::filesystem::path> whole_checkpoint_;  // the newest
};

}  // namespace lait
