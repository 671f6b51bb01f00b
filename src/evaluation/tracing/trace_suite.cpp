#include "evaluation/tracing/trace_suite.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>

#include "evaluation/bench/files/run_folder.h"
#include "evaluation/measuring/grid.h"
#include "evaluation/tracing/trace_page.h"
#include "io/error.h"
#include "io/files/file.h"
#include "io/json/json.h"
#include "io/json/json_lines.h"
#include "io/progress.h"
#include "io/runtime.h"
#include "io/strings/blank.h"

namespace emend {
namespace {

constexpr const char* kTraceSuitePlace = "evaluation::trace";

// A question of a record, and the right answer; empty: unknown.
struct SuiteQuestion {
  std::string kind;
  TraceQuery query;
  std::string expected;
};

std::vector<SuiteQuestion> questions_to_trace(const Record& record,
                                              const TraceSuiteOptions& options) {
  std::vector<SuiteQuestion> all;
  const auto add = [&](const char* kind, const Picture& image, const std::string& prompt,
                       const std::string& text, const std::string& subject,
                       const std::string& expected) {
    TraceQuery query;
    query.image = image;
    query.prompt = prompt;
    query.question = text;
    query.subject = subject;
    all.push_back({kind, std::move(query), expected});
  };
  const auto wants = [&](const char* kind) {
    return options.questions == "all" || options.questions == kind;
  };
  if (wants("edit"))
    add("edit", record.image, edit_prompt(options.protocol, record), record.prompt, record.subject,
        is_blank(record.truth) ? record.before : record.truth);
  for (const auto& probe : record.probes) {
    if (probe.group != Group::text_locality) continue;
    const auto prompt = probe_prompt(options.protocol, record, probe);
    if (wants("text")) add("text", {}, prompt, probe.text, probe.subject, probe.answer);
    if (wants("beside") && record.image.present())
      add("beside", record.image, prompt, probe.text, probe.subject, probe.answer);
  }
  return all;
}

bool is_right(const Protocol& protocol, const std::string& answer, const std::string& expected) {
  if (is_blank(expected)) return !is_blank(answer);
  return protocol.answers_go_on ? begins_with_answer(answer, expected)
                                : same_answer(answer, expected);
}

// The description of the run, which must be the same when it continues.
nlohmann::json described_run(const Suite& suite, const TraceSuiteOptions& options) {
  return {{"config",
           {{"job", "trace"},
            {"suite", suite.metadata()},
            {"protocol", to_json(options.protocol)},
            {"questions", options.questions},
            {"trace", settings_json(options.trace)},
            {"options", options.facts}}},
          {"editors", nlohmann::json::array()}};
}

class SuiteTracer {
 public:
  SuiteTracer(const Vlm& vlm, const Suite& suite, const TraceSuiteOptions& options,
              ActivationStore* store)
      : vlm_(vlm), suite_(suite), options_(options), store_(store) {}

  // The lines of a record's questions.
  nlohmann::json trace_record(size_t index) const {
    const auto record = suite_.record(index);
    nlohmann::json line = {{"record", record.id}, {"questions", nlohmann::json::array()}};
    for (const auto& question : questions_to_trace(record, options_))
      line["questions"].push_back(traced(question, index));
    return line;
  }

 private:
  nlohmann::json traced(const SuiteQuestion& question, size_t index) const {
    auto query = question.query;
    nlohmann::json line = {{"kind", question.kind},
                           {"prompt", query.question},
                           {"image", picture_name(query.image)},
                           {"subject", query.subject},
                           {"expected", question.expected}};
    try {
      const auto answer = generated(query);
      line["answer"] = answer;
      if (!is_right(options_.protocol, answer, question.expected)) {
        line["outcome"] = "wrong";
        return line;
      }
      // The answer of a model that goes on is longer than what is traced.
      if (options_.protocol.answers_go_on && !is_blank(question.expected))
        query.target = continuation(options_.protocol, question.expected);
      if (options_.trace.image == "swap")
        query.other_image = suite_.record((index + 1) % suite_.size()).image;
      TraceContext context;
      context.base = options_.base;
      context.store = store_;
      line["trace"] = to_json(trace(vlm_, query, options_.trace, context));
      line["outcome"] = "traced";
    } catch (const Error& error) {
      line["outcome"] = "failed";
      line["reason"] = error.what();
    }
    return line;
  }

  std::string generated(const TraceQuery& query) const {
    GenerationOptions generation;
    generation.max_new_tokens = options_.trace.max_new_tokens;
    const Query asked{query.image.present() ? std::optional(query.image.load()) : std::nullopt,
                      query.prompt};
    return generate(vlm_, {asked}, options_.base, generation, store_).at(0);
  }

  const Vlm& vlm_;
  const Suite& suite_;
  const TraceSuiteOptions& options_;
  ActivationStore* store_;
};

// The lines of a run so far.
class TraceCollector {
 public:
  explicit TraceCollector(std::string file) : file_(std::move(file)) {}

  void add(const nlohmann::json& line) {
    const auto questions = json_get<nlohmann::json>(line, "questions", file_);
    if (!questions.is_array())
      throw Error(kTraceSuitePlace, file_ + " has a line without questions",
                  "use --restart to discard the earlier run");
    for (const auto& question : questions) {
      const auto kind = json_get<std::string>(question, "kind", file_);
      const auto outcome = json_get<std::string>(question, "outcome", file_);
      auto& kinds = kinds_[kind];
      if (outcome == "wrong") ++kinds.wrong;
      if (outcome == "failed") {
        if (kinds.failed++ == 0)
          kinds.first_failure = json_get<std::string>(question, "reason", file_);
      }
      if (outcome != "traced") continue;
      ++kinds.traced;
      traces_[kind].push_back(
          trace_from_json(json_get<nlohmann::json>(question, "trace", file_), file_));
    }
  }

  std::map<std::string, TracedQuestions> means() const {
    auto kinds = kinds_;
    for (const auto& [kind, traces] : traces_) kinds[kind].mean = average_traces(traces);
    return kinds;
  }

 private:
  std::string file_;
  std::map<std::string, TracedQuestions> kinds_;
  std::map<std::string, std::vector<TraceResult>> traces_;
};

void check_traced(const std::map<std::string, TracedQuestions>& kinds) {
  int64_t traced = 0, wrong = 0;
  std::string failure;
  for (const auto& [kind, questions] : kinds) {
    traced += questions.traced;
    wrong += questions.wrong;
    if (failure.empty()) failure = questions.first_failure;
  }
  if (traced > 0) return;
  if (!failure.empty())
    throw Error(kTraceSuitePlace, "no question could be traced; the first error was: " + failure,
                "correct the options, and use --restart");
  throw Error(kTraceSuitePlace,
              fmt::format("the model answers none of the {} questions correctly", wrong),
              "trace one question with the expected answer as the --target, or use another suite");
}

}  // namespace

const std::vector<std::string>& question_kinds() {
  static const std::vector<std::string> kinds = {"edit", "text", "beside"};
  return kinds;
}

const char* question_kind_title(const std::string& kind) {
  if (kind == "edit") return "Questions of the edits";
  return kind == "text" ? "Questions without a picture"
                        : "Questions without a picture, asked with one";
}

TraceSuiteOutcome trace_suite(const Vlm& vlm, const Suite& suite, const TraceSuiteOptions& options,
                              ActivationStore* store) {
  if (suite.size() == 0)
    throw Error(kTraceSuitePlace, "the suite has no records", "choose another suite or split");
  auto run = described_run(suite, options);
  RunFolder folder(options.directory, run, options.restart);
  run["config"]["model"] = {{"folder", vlm.folder}, {"fingerprint", vlm.fingerprint()}};
  run["config"].update(precision_facts(vlm.precision));
  run["config"]["threads"] = at::get_num_threads();
  run = folder.begin(run);

  InterruptGuard guard;
  JsonLines lines(folder.file("traces.jsonl"));
  TraceCollector collector(folder.file("traces.jsonl"));
  TraceSuiteOutcome outcome;
  outcome.total = suite.size();
  for (nlohmann::json line; lines.next(line); ++outcome.done) collector.add(line);
  if (outcome.done > outcome.total)
    throw Error(kTraceSuitePlace,
                fmt::format("'{}' has more lines than this run", folder.file("traces.jsonl")),
                "use --restart to start again");
  const SuiteTracer tracer(vlm, suite, options, store);
  {
    Progress progress("records", static_cast<int64_t>(outcome.total),
                      static_cast<int64_t>(outcome.done));
    for (; outcome.done < outcome.total && !InterruptGuard::interrupted(); ++outcome.done) {
      const auto line = tracer.trace_record(outcome.done);
      lines.append(line);
      collector.add(line);
      progress.advance();
    }
  }
  outcome.finished = outcome.done == outcome.total;
  if (!outcome.finished) return outcome;

  outcome.kinds = collector.means();
  check_traced(outcome.kinds);
  auto kinds = nlohmann::json::object();
  for (const auto& [kind, questions] : outcome.kinds) {
    kinds[kind] = {
        {"traced", questions.traced}, {"wrong", questions.wrong}, {"failed", questions.failed}};
    if (questions.traced > 0) kinds[kind]["trace"] = to_json(questions.mean);
  }
  outcome.results = {{"format", "emend-trace-suite"}, {"config", run["config"]}, {"kinds", kinds}};
  write_json(folder.file("trace.json"), outcome.results);
  std::vector<TracePagePart> parts;
  for (const auto& kind : question_kinds())
    if (const auto found = outcome.kinds.find(kind);
        found != outcome.kinds.end() && found->second.traced > 0)
      parts.push_back({kind, found->second.mean, found->second, {}});
  write_file(
      folder.file("trace.html"),
      trace_page(fmt::format("Traces of {} records of {}", suite.size(),
                             suite_title(suite.metadata().value("name", std::string("a suite")))),
                 run["config"], parts));
  return outcome;
}

}  // namespace emend
