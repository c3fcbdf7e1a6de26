#include "train/model_card.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "eval/flops.h"
#include "eval/metrics.h"
#include "eval/table.h"
#include "lait/base/json.h"
#include "lait/config/enum_names.h"
#include "lait/config/write.h"

namespace lait {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// A JSON text is a YAML scalar, too.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The base model's name on the hub; "": it came from a folder.
std::string hub_name(const std::string& path) {
  // What set-up brings by its short name.
  if (path == "all-MiniLM-L6-v2" || path == "all-mpnet-base-v2")
    return "sentence-transformers/" + path;
  std::error_code error;
  return fs::exists(path, error) ? "" : path;
}

// How transformers can load it.
enum class Loads { kAsItIs, kWithItsCode, kNot };
Loads loads(const fs::path& best) {
  const auto config = read_json(best / "config.json");
  if (config.value("model_type", "") != "lait") return Loads::kAsItIs;
  return config.contains("auto_map") ? Loads::kWithItsCode : Loads::kNot;
}

std::string file_names(const DataFiles& files) {
  std::vector<std::string> names;
  for (const std::string& file : files) names.push_back(fs::path(file).filename().string());
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string front_matter(const RunInputs& in, const std::string& name, const Json& report,
                         Loads how) {
  const std::string base = hub_name(in.config.model.path);
  std::string out = "---\n";
  out += fmt::format("library_name: {}\n", how == Loads::kNot ? "lait" : "transformers");
  if (!base.empty()) out += "base_model: " + quoted(base) + "\n";
  const std::string pipeline = find_head(in.spec.head).pipeline;
  out += "pipeline_tag: " + pipeline + "\n";
  out += fmt::format("tags: [lait, {}]\n", quoted(in.task->name()));
  std::string results;
  for (const char* split : {"validation", "test"}) {
    if (!report.contains(split)) continue;
    results += fmt::format(
        "  - task: {{type: {3}}}\n"
        "    dataset: {{name: {0}, type: {1}, split: {2}}}\n    metrics:\n",
        quoted(file_names(in.config.data.files_of(split))), quoted(in.task->name()), split,
        pipeline);
    for (const auto& [metric, value] : report[split]["metrics"].items()) {
      results += fmt::format("    - {{type: {}, value: {}}}\n", metric,
                             Json(value["value"].get<double>()).dump());
    }
  }
  if (!results.empty()) out += "model-index:\n- name: " + quoted(name) + "\n  results:\n" + results;
  return out + "---\n";
}

std::string scores_table(const RunInputs& in, const Json& report) {
  Table table{.header = {"data", "metric", "value", "95 % interval", "examples"},
              .rows = {},
              .num_text_columns = 2};
  for (const char* split : {"validation", "test"}) {
    if (!report.contains(split)) continue;
    for (const auto& [metric, value] : report[split]["metrics"].items()) {
      const auto number = [&](const char* key) { return value[key].template get<double>(); };
      table.rows.push_back({split, metric, fmt::format("{:.4f}", number("value")),
                            fmt::format("{:.4f} to {:.4f}", number("low"), number("high")),
                            std::to_string(report[split]["examples"].get<int64_t>())});
    }
  }
  if (table.rows.empty()) return "";
  return "## Scores\n\n" + format_markdown(table) +
         "\nThe best step was chosen on the validation data, so its scores there are a little "
         "high. "
         "Intervals:\nWilson's for accuracy, bootstrap for other metrics.\n\n";
}

std::string data_table(const RunInputs& in) {
  Table table{.header = {"data", "files", "examples"}, .rows = {}, .num_text_columns = 2};
  for (const auto& [split, data] : splits(in)) {
    table.rows.push_back({split, markdown_text(file_names(in.config.data.files_of(split))),
                          std::to_string(data->dataset->size())});
  }
  return format_markdown(table);
}

std::string what_a_token_sees(const RunInputs& in) {
  const int64_t p = in.spec.independent_layers();
  const std::string one_sided =
      is_one_sided(in.spec.schedule)
          ? "; the layers with `updates: first` compute the first segment's tokens only"
          : "";
  if (p == 0)
    return "in all layers a token sees the whole example, as in the stock model" + one_sided;
  const bool has_groups = std::ranges::any_of(
      in.spec.schedule, [](const Stage& stage) { return stage.scope == Scope::kGroup; });
  return fmt::format(
             "in the first {} of {} layers a token sees its own text segment{} only{}", p,
             in.hf_config.num_hidden_layers, has_groups ? " or group" : "",
             p < in.hf_config.num_hidden_layers ? ", in the others the whole example" : "") +
         one_sided;
}

// Of a model for every P of a list.
std::string other_p(const RunInputs& in) {
  if (in.spec.elastic.empty()) return "";
  return fmt::format(
      ". It was trained to run with {} such layers alike\n(`lait-eval --independent-layers`)",
      fmt::join(in.spec.elastic, ", "));
}

std::string flops_line(const RunInputs& in, Model& model) {
  const Split* const split = splits(in).back().second;  // test, or what there is before it
  const FlopCounts flops = mean_flops(*split->dataset, model->pack_plan(in.spec.schedule),
                                      in.hf_config.family->costs(in.hf_config).layer);
  return fmt::format(
      "Attention, mean of the {} data: {:.1f} → {:.1f} MFLOP per example (stock model → this one; "
      "the projections, Q Kᵀ and P V; a\nmultiply-add is 2 FLOPs).\n",
      splits(in).back().first, flops.full.attention / 1e6, flops.lait.attention / 1e6);
}

// Of the keys of the training and the model, those that a user chose, as a config.
std::string settings(const RunInputs& in) {
  std::vector<std::string> names = changed_fields(Config(), in.config);
  std::erase_if(names, [](const std::string& name) {
    constexpr std::string_view kNotOfTheResult[] = {"model.path",
                                                    "training.threads",
                                                    "training.device",
                                                    "training.log_every",
                                                    "training.checkpoint_every",
                                                    "training.max_tokens_per_device",
                                                    "training.distill.teacher",
                                                    "training.distill.data"};
    return !(name.starts_with("training.") || name.starts_with("model.")) ||
           std::ranges::find(kNotOfTheResult, name) != std::end(kNotOfTheResult);
  });
  return write_fields(in.config, names);
}

std::string way_to_load(const RunInputs& in, Loads how) {
  const int64_t count = std::max<int64_t>(in.spec.num_segments, 2);
  const std::vector<std::string> texts(static_cast<size_t>(count), "\"…\"");
  const std::string segments = fmt::format("[{}]", fmt::join(texts, ", "));
  std::string out = fmt::format(
      "## How to use it\n\nWith LAIT; a line of the input is `{{\"segments\": {}}}`, and `.` is "
      "the folder of this page:\n\n    lait-predict --checkpoint . --input pairs.jsonl\n\n",
      segments);
  if (how == Loads::kAsItIs) {
    const HeadInfo& head = find_head(in.spec.head);
    std::string use = fmt::format("{} = model(**tokenizer(\"…\", \"…\", return_tensors=\"pt\")){}",
                                  head.pools ? "logits" : "outputs", head.pools ? ".logits" : "");
    if (head.needs_decoder) {
      std::string text;
      for (const Prompts::Part& part : in.task->prompts().parts) text += part.text + "… ";
      use = fmt::format("tokens = model.generate(**tokenizer(\"{}\", return_tensors=\"pt\"))",
                        text.empty() ? "… …" : text.substr(0, text.size() - 1));
    }
    out += fmt::format(
        "With transformers:\n\n```python\nfrom transformers import {0}, AutoTokenizer\n\n"
        "model = {0}.from_pretrained(\".\").eval()\n"
        "tokenizer = AutoTokenizer.from_pretrained(\".\")\n"
        "{1}\n```\n\n",
        head.auto_class, use);
  } else if (how == Loads::kWithItsCode) {
    out += fmt::format(
        "With transformers, which runs `modeling_lait.py` of this folder:\n\n```python\n"
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
        "model = AutoModelForSequenceClassification.from_pretrained(\".\", "
        "trust_remote_code=True).eval()\n"
        "tokenizer = AutoTokenizer.from_pretrained(\".\", trust_remote_code=True)\n"
        "logits = model(**model.encode_segments(tokenizer, [{}])).logits\n```\n\n",
        segments);
  } else {
    out +=
        "transformers alone cannot run it. Trained with `output.hf_code: true`, it brings the code "
        "for that.\n\n";
  }
  return out;
}

}  // namespace

std::string base_name(const Config& config) {
  const std::string name = fs::path(config.model.path).lexically_normal().filename().string();
  return name.empty() ? "model" : name;
}

std::string model_card(const RunInputs& in, Model& model, const Json& report,
                       const fs::path& best) {
  const Loads how = loads(best);
  const std::string base = base_name(in.config);
  const std::string name =
      fmt::format("{}-{}-p{}", base, in.task->name(), in.spec.independent_layers());
  std::vector<std::string> labels;
  for (const std::string& label : in.spec.labels) labels.push_back(markdown_text(label));
  std::string out = front_matter(in, name, report, how);
  out += fmt::format(
      "\n# {}\n\n{}, fine-tuned for the task {} with "
      "[layer-adjustable interactions](https://arxiv.org/abs/2305.19585):\n{}.\n\n",
      markdown_text(name), markdown_text(base), markdown_text(in.task->name()),
      what_a_token_sees(in) + other_p(in));
  out += in.train.dataset->has_windows()
             ? "It finds the part of a passage that answers a question, or that there is none.\n\n"
         : labels.empty() ? "It gives a score.\n\n"
                          : fmt::format("Labels: {}.\n\n", fmt::join(labels, ", "));
  out += scores_table(in, report);
  out += way_to_load(in, how);
  out += "## Training\n\n" + data_table(in);
  out += fmt::format("\nSchedule: {}; segments: {}; pooling: {}; seed {}; best step {} of {}.\n\n",
                     describe(in.spec.schedule), to_string(in.spec.format),
                     to_string(in.spec.pooling), in.config.training.seed,
                     report.value("best_step", int64_t{-1}), report.value("steps", int64_t{0}));
  if (in.distilled) {
    DistillConfig config = in.config.training.distill;
    const fs::path teacher = fs::weakly_canonical(config.teacher);
    config.teacher =
        (teacher.filename() == "best" ? teacher.parent_path() : teacher).filename().string();
    out += "It was " + markdown_text(describe(*in.distilled, config)) + ".\n\n";
  }
  out += flops_line(in, model);
  if (const std::string yaml = settings(in); !yaml.empty())
    out += "\nSettings that are not the defaults:\n\n```yaml\n" + yaml + "```\n";
  return out;
}

}  // namespace lait
