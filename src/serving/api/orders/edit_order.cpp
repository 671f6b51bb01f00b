#include "serving/api/orders/edit_order.h"

#include <fmt/format.h>

#include <cctype>
#include <chrono>

#include "editing/registry.h"
#include "evaluation/edits/edit_setup.h"
#include "evaluation/edits/report/report.h"
#include "serving/api/orders/command_line.h"
#include "serving/request_fields.h"

namespace emend {
namespace {

constexpr size_t kMostQuestions = 200;  // of each kind
constexpr int64_t kMostDefaultProbes = 10000;

// A plain name from a text: "The red star" is the-red-star.
std::string slug(const std::string& text) {
  std::string name;
  for (unsigned char c : text) {
    if (name.size() >= 40) break;
    if (std::isalnum(c))
      name += static_cast<char>(std::tolower(c));
    else if (!name.empty() && name.back() != '-')
      name += '-';
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "edit" : name;
}

}  // namespace

EditOrder::EditOrder(const WorkContext& context, nlohmann::json body)
    : context_(context), body_(std::move(body)) {
  check_fields(body_, {"prompt", "target", "image", "name", "editor", "module", "settings",
                       "subject", "rephrasings", "consequences", "locality", "probes", "patches"});
  take_questions();
  choice_.editor = text_field(body_, "editor");
  if (choice_.editor.empty()) choice_.editor = "ft";
  choice_.module = text_field(body_, "module");
  choice_.settings = take_settings(body_);
  choice_.seed = context_.seed;
  with_request_errors(
      "editor", [&] { return editor_info(choice_.editor.substr(0, choice_.editor.find(':'))); });
  editor_ = with_request_errors("settings", [&] {
    const auto spec = chosen_editor(choice_);
    if (const auto info = editor_info(spec.name); info.without_effect)
      warnings_ = info.without_effect(spec.settings);
    return make_editor(spec.name, spec.settings);
  });
  probes_ = static_cast<int>(whole_field(body_, "probes", 10, 1, kMostDefaultProbes));
  patches_ = take_patches(context_, body_);
  name_ = text_field(body_, "name");
}

void EditOrder::reserve_name() {
  if (name_.empty())
    name_ = context_.library.reserve_like(slug(question_.target));
  else
    context_.library.reserve(name_);
}

void EditOrder::take_questions() {
  question_.prompt = required_text(body_, "prompt");
  question_.target = required_text(body_, "target");
  question_.subject = text_field(body_, "subject");
  if (!question_.subject.empty() && question_.prompt.find(question_.subject) == std::string::npos)
    refuse_request("subject", "the prompt does not contain the 'subject'");
  question_.rephrasings = texts_field(body_, "rephrasings", kMostQuestions);
  for (const auto& one : list_field(body_, "consequences", kMostQuestions)) {
    check_fields(one, {"prompt", "answer"}, "an element of 'consequences'");
    question_.consequences.emplace_back(required_text(one, "prompt"), required_text(one, "answer"));
  }
  question_.image = take_picture(context_, body_, "image");
  list_field(body_, "locality", kMostQuestions);
  if (!body_.contains("locality") || body_["locality"].is_null()) return;
  for (auto& one : body_["locality"]) {
    check_fields(one, {"prompt", "answer", "image"}, "an element of 'locality'");
    LocalityQuestion locality;
    locality.prompt = required_text(one, "prompt");
    locality.answer = text_field(one, "answer");
    locality.image = take_picture(context_, one, "image");
    question_.locality.push_back(std::move(locality));
  }
}

std::string EditOrder::title() const {
  return fmt::format("{} => {}", question_.prompt.substr(0, 200), question_.target.substr(0, 200));
}

std::string EditOrder::command() const {
  const auto name = name_.empty() ? context_.library.free_name(slug(question_.target)) : name_;
  return command(name, open_stack(context_, patches_).files);
}

std::string EditOrder::command(const std::string& name,
                               const std::vector<std::string>& patches) const {
  CommandLine line("edit", context_.arguments);
  line.option_if_given("--image", question_.image.path)
      .option("--prompt", question_.prompt)
      .option("--target", question_.target)
      .option_if_given("--subject", question_.subject)
      .options("--rephrase", question_.rephrasings);
  for (const auto& [prompt, answer] : question_.consequences)
    line.option("--follows", prompt + " => " + answer);
  bool pictures = false;
  for (const auto& one : question_.locality) {
    line.option("--locality", one.answer.empty() ? one.prompt : one.prompt + " => " + one.answer);
    pictures |= one.image.present();
  }
  if (pictures)
    for (const auto& one : question_.locality) line.option("--locality-image", one.image.path);
  line.option("--editor", choice_.editor)
      .option_if_given("--module", choice_.module)
      .options("--set", choice_.settings)
      .option("--probes", std::to_string(probes_))
      .options("--patch", patches);
  return line.option("-o", name + ".patch").text();
}

nlohmann::json EditOrder::run(JobProgress& progress) const {
  const auto begin = std::chrono::steady_clock::now();
  progress.part("preparing");
  const auto& vlm = context_.vlm;
  const auto base = open_stack(context_, patches_);
  EditJob job;
  job.editor = editor_.get();
  job.base = &base.stack;
  job.defaults = default_probes_for(vlm, {question_}, probes_);
  job.seed = static_cast<uint64_t>(context_.seed);
  job.edits.push_back({question_, edit_protocol(Protocol(), /*as_asked=*/true, {}, editor_->name(),
                                                question_, vlm.processor)});
  job.on_part = [&](const std::string& name) { progress.part(name); };
  job.on_step = [&](int64_t step, int64_t steps, double loss) { progress.step(step, steps, loss); };
  job.on_probes = [&](size_t probes) { progress.step(static_cast<int64_t>(probes), 0); };
  auto outcome = run_edits(vlm, job);
  progress.part("saving");

  EditReport report{vlm, job, outcome, choice_, context_.workspace->patch_file(name_)};
  report.facts = context_.run_facts;
  report.written = outcome.changed() || outcome.holds();
  outcome.patch.effect["metrics"] = metrics_json(vlm, job, outcome);
  outcome.patch.id = patch_id(outcome.patch);
  const bool active =
      report.written && context_.library.save(name_, outcome.patch, outcome.holds());
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return {{"patch", report.written ? nlohmann::json(name_) : nlohmann::json()},
          {"holds", outcome.holds()},
          {"active", active},
          {"report", report_json(report)},
          {"warnings", warnings_},
          {"command", command(name_, base.files)}};
}

}  // namespace emend
