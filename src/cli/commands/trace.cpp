#include "editing/tracing/trace.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <iostream>

#include "cli/command.h"
#include "cli/reports/table.h"
#include "editing/settings/settings.h"
#include "evaluation/tracing/heat_map.h"
#include "evaluation/tracing/trace_page.h"
#include "evaluation/tracing/trace_question.h"
#include "evaluation/tracing/trace_suite.h"
#include "io/error.h"
#include "io/files/atomic_directory.h"
#include "io/files/file.h"
#include "io/image/thumbnail.h"
#include "io/json/json.h"
#include "io/progress.h"
#include "io/runtime.h"
#include "io/strings/blank.h"
#include "models/caching/activation_store.h"

namespace emend::cli {
namespace {

struct TraceArguments {
  Common common;
  PromptOptions prompting;
  std::string image, text, target, subject, other_image, other_words, output;
  std::vector<std::string> settings, patches;
  std::string suite, questions = "edit";
  SuiteOptions suite_options;
  int probes = 1;
  ProtocolOptions protocol;
  bool restart = false;
  ActivationStore::Options store;
};

void check_trace_arguments(const TraceArguments& arguments) {
  const bool suite = !arguments.suite.empty();
  if (suite == !arguments.text.empty())
    throw Error("cli::trace", "a trace needs either a question or a suite",
                "use -p PROMPT, or --suite NAME");
}

std::string corruption_line(const TraceRuns& runs) {
  auto line = runs.kind;
  if (runs.factor > 0)
    line += fmt::format(" of {:g} x sigma, sigma {:.3g}", runs.factor, runs.sigma);
  if (runs.rows > 1 || runs.factor > 0) line += ", " + counted(runs.rows, "row");
  line +=
      fmt::format("; p(answer) {:.3f} -> {:.3f}", runs.clean.probability, runs.score.probability);
  if (runs.records > 1) line += fmt::format(" ± {:.3f}", runs.error.probability);
  line += runs.records > 1
              ? fmt::format("; can be undone in {:.0f} %", 100 * runs.reversible)
              : fmt::format("; all states restored: {:.3f}", runs.restored.probability);
  return line;
}

void print_trace(const TraceResult& result) {
  for (const auto& runs : result.runs)
    std::cout << fmt::format("  {}   {}\n", runs.corrupted == "text" ? "subject" : "picture",
                             corruption_line(runs));
  for (const auto& note : result.notes) std::cout << "  note      " << note << "\n";
  std::cout << "\n";
  for (const auto& line : trace_summary(result)) std::cout << "  " << line << "\n";
}

constexpr int kOverlaySide = 320;  // of the page's picture, in pixels

std::vector<std::string> write_trace(AtomicDirectory& folder, const nlohmann::json& json,
                                     const TraceResult& result, const Picture& picture,
                                     const ImageProcessor& processor) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    names.push_back(name);
    return folder.file(name);
  };
  TracePagePart part{{}, result};
  write_json(add("trace.json"), json);
  for (const auto& runs : result.runs) {
    const auto title = runs_title(result, runs);
    write_file(add(runs.corrupted + ".svg"), heat_map_svg(runs, title));
    write_png(add(runs.corrupted + ".png"), heat_map_image(runs, title));
  }
  if (picture.present())
    if (const auto overlay = picture_overlay(picture.load(), processor, result);
        overlay.width > 0) {
      write_png(add("overlay.png"), overlay);
      part.picture = data_url(thumbnail(overlay, kOverlaySide));
    }
  auto facts = json;
  facts.erase("runs");
  write_file(add("trace.html"), trace_page("Trace of one answer", facts, {part}));
  folder.commit();
  return names;
}

void trace_one(const TraceArguments& arguments, const TraceOptions& options) {
  AtomicDirectory folder(arguments.output);  // reports errors before the model loads
  TraceQuery query;
  query.image = open_picture(arguments.image);
  query.other_image = open_picture(arguments.other_image);
  query.subject = arguments.subject;
  query.other_words = arguments.other_words;
  query.question = arguments.text;
  check_swaps(query, options);
  const auto vlm = open_model(arguments.common);
  const bool wraps = vlm.processor.wraps(query.image.present());
  query.prompt =
      fill_template(prompt_template(arguments.prompting, arguments.text, wraps), arguments.text);
  if (!arguments.target.empty()) query.target = continuation(Protocol(), arguments.target);

  ActivationStore store(arguments.store);
  TraceContext context;
  context.store = &store;
  context.base = open_patches(vlm, arguments.patches).interventions(vlm, &store);
  std::unique_ptr<Progress> progress;
  int64_t before = 0;
  context.on_cell = [&](int64_t done, int64_t total) {
    if (!progress || done < before) progress = std::make_unique<Progress>("restored states", total);
    before = done;
    progress->set(done);
  };
  const auto result = trace_question(vlm, query, options, context);
  progress.reset();
  auto json = run_facts(arguments.common, vlm.precision);
  json.update(question_trace_json(vlm, query, options, result));
  const auto names = write_trace(folder, json, result, query.image, vlm.processor.image_processor);
  json["files"] = nlohmann::json::array();
  for (const auto& name : names) json["files"].push_back(arguments.output + "/" + name);
  if (arguments.common.json) return print_json(json);
  std::cout << fmt::format("  prompt    {}\n  answer    {}\n", query.prompt, result.target);
  print_trace(result);
  std::cout << fmt::format("\n  written   {}/{}\n", arguments.output, fmt::join(names, ", "));
}

void trace_records(TraceArguments arguments, const TraceOptions& options) {
  auto suite_options = arguments.suite_options;
  suite_options.seed = static_cast<uint64_t>(arguments.common.seed);
  auto& probes = suite_options.probes;
  probes.rewordings = probes.variants = probes.image_probes = probes.portability = 0;
  probes.text_probes = arguments.probes;
  const auto suite = open_suite(arguments.suite, suite_options);
  TraceSuiteOptions run;
  run.trace = options;
  run.protocol = for_suite(make_protocol(arguments.protocol), *suite);
  run.questions = arguments.questions;
  run.directory = arguments.output;
  run.restart = arguments.restart;
  run.facts = {{"limit", suite_options.limit},
               {"device", arguments.common.device},
               {"patches", arguments.patches}};
  auto vlm = open_model(arguments.common, *suite);
  set_bos(vlm, run.protocol);
  ActivationStore store(arguments.store);
  run.base = open_patches(vlm, arguments.patches).interventions(vlm, &store);
  const auto outcome = trace_suite(vlm, *suite, run, &store);
  if (!outcome.finished) {
    std::cerr << fmt::format(
        "emend: stopped after {} of {} records; run the same command again to resume\n",
        outcome.done, outcome.total);
    throw CLI::RuntimeError(128 + InterruptGuard::signal());
  }
  if (arguments.common.json) return print_json(outcome.results);
  for (const auto& kind : question_kinds()) {
    if (!outcome.kinds.contains(kind)) continue;
    const auto& questions = outcome.kinds.at(kind);
    std::cout << fmt::format("{}: {} traced, {} answered wrongly, {} failed\n",
                             question_kind_title(kind), questions.traced, questions.wrong,
                             questions.failed);
    if (!questions.first_failure.empty())
      std::cout << "  first error  " << without_places(questions.first_failure) << "\n";
    if (questions.traced > 0) print_trace(questions.mean);
    std::cout << "\n";
  }
  std::cout << fmt::format("  written   {}/trace.html, trace.json, traces.jsonl\n",
                           arguments.output);
}

void run_trace(const TraceArguments& arguments) {
  const auto options = trace_options(editor_settings(arguments.settings), arguments.common.seed,
                                     arguments.suite.empty());
  if (arguments.suite.empty())
    trace_one(arguments, options);
  else
    trace_records(arguments, options);
}

std::string settings_help() {
  std::string help = "\nSettings (--set NAME=VALUE):\n";
  for (const auto& setting : describe_settings<TraceOptions>())
    help += fmt::format(
        "  {} ({}; default {})\n      {}\n", setting.name, setting.range,
        setting.value.is_string() ? setting.value.get<std::string>() : setting.value.dump(),
        setting.meaning);
  return help;
}

void add_trace_suite(CLI::App& command, TraceArguments& arguments,
                     const std::vector<CLI::Option*>& single) {
  auto& suite = arguments.suite_options;
  auto* name = command
                   .add_option("--suite", arguments.suite,
                               "source of the questions to trace and average: those that the model "
                               "answers correctly; several suites are separated by commas")
                   ->check(list_of(suite_names()));
  for (auto* option : single) option->excludes(name);
  command
      .add_option("--questions", arguments.questions,
                  "questions to trace. edit: the questions of the edits; text: questions without a "
                  "picture (T-Locality); beside: the same, with the record's picture; all: all of "
                  "these")
      ->check(one_of({"edit", "text", "beside", "all"}))
      ->capture_default_str()
      ->needs(name);
  command.add_option("--limit", suite.limit, "maximum number of records; 0: all (scenes: 500)")
      ->check(whole_number(0, kMostRecords));
  command.add_option("--data", suite.data, "annotation file, or folder of the published dataset");
  command.add_option("--images", suite.images, "folder that image names are relative to");
  command.add_option("--split", suite.split, "dataset split")->capture_default_str();
  command
      .add_option("--form", suite.form,
                  "scenes: vqa, caption, both (alternating), or composition (pairs of edits)")
      ->capture_default_str();
  command
      .add_option("--probes", arguments.probes,
                  "scenes: number of questions without a picture per record")
      ->check(whole_number(1, kMostProbes))
      ->capture_default_str();
  add_protocol_options(command, arguments.protocol, "protocol of the prompts of a suite");
  command
      .add_flag("--restart", arguments.restart, "discard the results of an earlier run in OUTPUT")
      ->needs(name);
}

}  // namespace

void add_trace(CLI::App& program) {
  auto arguments = std::make_shared<TraceArguments>();
  auto* command =
      program.add_subcommand("trace", "Locate the layers and positions that an answer depends on");
  command->footer(R"(
Causal tracing: the picture, or the subject of the question, is corrupted, and clean states are
restored at one group of positions and in one or several layers. The indirect effect of a state is
the probability of the answer's first token with the state restored, minus that of the corrupted run.
Without --target, the model's own answer is traced.

OUTPUT has trace.json, trace.html, a heat map as SVG and PNG for each corruption (image, text), and
overlay.png, the picture tinted by the effect of its parts. With --suite, it has the averages in
trace.json and trace.html, and the traces of the records in traces.jsonl; run the same command again
to resume. docs/locating.md explains how to read them.

Examples:
  emend trace --image scene.png -p "What color is the star?" --subject star -o trace-star
  emend trace -p "Where does Mipo live?" --subject Mipo -o trace-mipo
  emend trace -m MODEL --image a.png --other-image b.png -p "What is this?" --set image=swap -o trace-swap
  emend trace --suite scenes --limit 200 --questions all -o trace-scenes
)" + settings_help());
  add_common(*command, arguments->common);
  add_prompt_options(*command, arguments->prompting);
  std::vector<CLI::Option*> single = {command->get_option("--template"),
                                      command->get_option("--bare")};
  single.push_back(command->add_option("--image", arguments->image,
                                       "picture file: JPEG, PNG, WebP, BMP or GIF"));
  single.push_back(
      command->add_option("-p,--prompt", arguments->text, "question, or text to continue"));
  single.push_back(command->add_option("--target", arguments->target,
                                       "answer to trace; default: the model's answer"));
  single.push_back(command->add_option("--subject", arguments->subject,
                                       "words of the prompt to corrupt; default: none"));
  single.push_back(command->add_option("--other-image", arguments->other_image,
                                       "picture that replaces the picture (--set image=swap)"));
  single.push_back(command->add_option(
      "--other-words", arguments->other_words,
      "words that replace the subject (--set text=swap); default: random words"));
  command->add_option("--set", arguments->settings, "NAME=VALUE, a setting listed below");
  command->add_option("--patch", arguments->patches, "patch to apply; may be given several times");
  command->add_option("-o,--output", arguments->output, "output folder")->required();
  add_trace_suite(*command, *arguments, single);
  command
      ->add_option("--cache-memory", arguments->store.memory_bytes,
                   "memory for shared activations, such as 512M or 4G (default: 1G)")
      ->transform(memory_size());
  command->add_option("--cache-dir", arguments->store.directory,
                      "folder for shared activations, which later runs reuse");
  command->callback([arguments, command] {
    check_trace_arguments(*arguments);
    check_suite_options(*command, arguments->suite);
    run_trace(*arguments);
  });
}

}  // namespace emend::cli
