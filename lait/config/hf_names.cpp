#include "lait/config/hf_names.h"

#include <algorithm>

namespace lait {
namespace {

constexpr const char* kSchedule = "linear, constant, cosine or inverse_sqrt";
constexpr const char* kPacked = "batches are packed, without padding";
constexpr const char* kLauncher = "torchrun, srun or mpirun start one process for each device";
constexpr const char* kWhole = "the optimiser's state; each process holds the whole model";
constexpr const char* kOneThread = "examples are read into memory once; no workers are needed";
constexpr const char* kHub = "upload the run's best/ yourself: hf upload REPOSITORY DIR/best";
constexpr const char* kLog = "the run's metrics.jsonl has every number";
constexpr const char* kOptimizers = "adamw or adafactor";
constexpr const char* kLabels = "the classes are the task's, or those of the training data";
constexpr const char* kFiles = "name the splits' files in data.train, data.validation, data.test";
constexpr const char* kGiven = "what is done follows from the files in data";
constexpr const char* kNoLimit = "take the first lines of the files instead";
constexpr const char* kOfSequence =
    "of a segment, or of the pair at independent_layers: 0; with special tokens";
constexpr const char* kInSteps = "in steps; 0: every epoch";

constexpr HfName kNames[] = {
    {"adafactor", "training.optimizer", "adafactor"},
    {"adam_beta1", "training.beta1", ""},
    {"adam_beta2", "training.beta2", ""},
    {"adam_epsilon", "training.epsilon", ""},
    {"attention_probs_dropout_prob", "model.attention_dropout", ""},
    {"auto_find_batch_size", "", "set training.batch_size; a dry run estimates the memory"},
    {"bf16", "training.precision", "bf16"},
    {"bf16_full_eval", "training.precision", "bf16"},
    {"cache_dir", "", "the environment variable HF_HUB_CACHE names the cache"},
    {"data_seed", "training.seed", "one seed for everything"},
    {"dataloader_drop_last", "", "the last batch is never dropped"},
    {"dataloader_num_workers", "", kOneThread},
    {"dataloader_pin_memory", "", kOneThread},
    {"dataset_config_name", "", kFiles},
    {"dataset_name", "", kFiles},
    {"ddp_backend", "", "NCCL between GPUs, Gloo between CPUs"},
    {"ddp_bucket_cap_mb", "", "buckets are of 25 MB"},
    {"ddp_find_unused_parameters", "", "what is trained is known before the first step"},
    {"ddp_timeout", "distributed.timeout", "in seconds"},
    {"deepspeed", "training.shard_optimizer", kWhole},
    {"disable_tqdm", "", "lait-train's option --quiet"},
    {"do_eval", "", kGiven},
    {"do_predict", "", "lait-predict predicts with a trained run"},
    {"do_train", "", kGiven},
    {"doc_stride", "data.window_overlap", "tokens"},
    {"early_stopping_patience", "training.early_stopping.patience", "in evaluations"},
    {"early_stopping_threshold", "training.early_stopping.min_change", ""},
    {"eval_accumulation_steps", "", "outputs are small; nothing is accumulated"},
    {"eval_steps", "training.evaluate_every", kInSteps},
    {"eval_strategy", "training.evaluate_every", kInSteps},
    {"evaluation_strategy", "training.evaluate_every", kInSteps},
    {"fp16", "training.precision", "bf16 or fp32; there is no fp16"},
    {"fp16_full_eval", "training.precision", "bf16 or fp32; there is no fp16"},
    {"fsdp", "training.shard_optimizer", kWhole},
    {"gradient_accumulation_steps", "training.accumulation", ""},
    {"gradient_checkpointing", "training.recompute", ""},
    {"greater_is_better", "", "it follows from the metric in training.select_by"},
    {"group_by_length", "", kPacked},
    {"hidden_dropout_prob", "model.hidden_dropout", ""},
    {"hub_model_id", "", kHub},
    {"hub_strategy", "", kHub},
    {"hub_token", "", kHub},
    {"id2label", "", kLabels},
    {"ignore_mismatched_sizes", "", "a head that does not fit is replaced, and this is said"},
    {"label2id", "", kLabels},
    {"label_names", "", kLabels},
    {"label_smoothing_factor", "training.label_smoothing", ""},
    {"length_column_name", "", kPacked},
    {"load_best_model_at_end", "", "best/ is always the best model"},
    {"local_rank", "", kLauncher},
    {"log_level", "", "lait-train's option --quiet"},
    {"logging_dir", "output.dir", kLog},
    {"logging_first_step", "training.log_every", "in steps"},
    {"logging_steps", "training.log_every", "in steps"},
    {"logging_strategy", "training.log_every", "in steps"},
    {"lora_alpha", "training.lora.alpha", ""},
    {"lora_dropout", "training.lora.dropout", ""},
    {"lora_r", "training.lora.rank", ""},
    {"lora_target_modules", "training.lora.targets", ""},
    {"lr", "training.learning_rate", ""},
    {"lr_scheduler_kwargs", "", "a schedule is its name and the warm-up"},
    {"lr_scheduler_type", "training.schedule", kSchedule},
    {"max_eval_samples", "", kNoLimit},
    {"max_length", "data.max_segment_tokens", kOfSequence},
    {"max_predict_samples", "", kNoLimit},
    {"max_seq_length", "data.max_segment_tokens", kOfSequence},
    {"max_source_length", "data.max_segment_tokens", kOfSequence},
    {"max_steps", "training.steps", ""},
    {"max_train_samples", "", kNoLimit},
    {"metric_for_best_model", "training.select_by", ""},
    {"model_max_length", "data.max_segment_tokens", kOfSequence},
    {"model_name", "model.path", ""},
    {"model_name_or_path", "model.path", ""},
    {"model_revision", "", "fetch it with hf download --revision, and give its folder"},
    {"n_gpu", "", kLauncher},
    {"no_cuda", "training.device", "cpu"},
    {"num_epochs", "training.epochs", ""},
    {"num_labels", "", kLabels},
    {"num_train_epochs", "training.epochs", ""},
    {"optim", "training.optimizer", kOptimizers},
    {"optim_args", "", "beta1, beta2 and epsilon are keys in training"},
    {"output_dir", "output.dir", ""},
    {"overwrite_output_dir", "", "lait-train's option --overwrite"},
    {"pad_to_max_length", "", kPacked},
    {"pad_to_multiple_of", "", kPacked},
    {"padding", "", kPacked},
    {"per_device_eval_batch_size", "", "an evaluation's batches do not change its results"},
    {"per_device_train_batch_size", "training.batch_size", ""},
    {"per_gpu_train_batch_size", "training.batch_size", ""},
    {"preprocessing_num_workers", "", kOneThread},
    {"problem_type", "model.head", "classifier or regression"},
    {"push_to_hub", "", kHub},
    {"remove_unused_columns", "", ""},
    {"report_to", "", kLog},
    {"resume_from_checkpoint", "", "lait-train's option --resume"},
    {"run_name", "output.dir", "the run directory's name"},
    {"save_only_model", "", "best/ holds the model alone"},
    {"save_safetensors", "", "always"},
    {"save_steps", "training.checkpoint_every", kInSteps},
    {"save_strategy", "training.checkpoint_every", kInSteps},
    {"save_total_limit", "output.keep", ""},
    {"task_name", "task", ""},
    {"test_file", "data.test", ""},
    {"tokenizer_name", "", "the tokenizer is the one beside model.path"},
    {"torch_compile", "", "the kernels are compiled already"},
    {"train_batch_size", "training.batch_size", ""},
    {"train_file", "data.train", ""},
    {"truncation", "data.on_overflow", "truncate or error"},
    {"trust_remote_code", "", "no model's code is run"},
    {"use_cpu", "training.device", "cpu"},
    {"use_fast_tokenizer", "", "there is one tokenizer, with the same result"},
    {"validation_file", "data.validation", ""},
    {"wandb", "", kLog},
    {"warmup_ratio", "training.warmup", "a share of all steps"},
};

}  // namespace

std::span<const HfName> hf_names() { return kNames; }

std::string hf_name_hint(std::string_view name) {
  const auto found = std::ranges::find(kNames, name, &HfName::name);
  if (found == std::end(kNames)) return "";
  const std::string key = found->key, note = found->note;
  return " (" + (key.empty() ? "there is none here" : "here it is " + key) +
         (note.empty() ? "" : ": " + note) + ")";
}

}  // namespace lait
