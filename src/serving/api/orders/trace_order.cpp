#include "serving/api/orders/trace_order.h"

#include "editing/settings/settings_file.h"
#include "evaluation/protocol/prompt_template.h"
#include "evaluation/protocol/protocol.h"
#include "evaluation/tracing/heat_map.h"
#include "evaluation/tracing/trace_page.h"
#include "evaluation/tracing/trace_question.h"
#include "io/image/thumbnail.h"
#include "serving/api/orders/command_line.h"
#include "serving/request_fields.h"

namespace emend {
TraceOrder::TraceOrder(const WorkContext& context, nlohmann::json body)
    : context_(context), body_(std::move(body)) {
  check_fields(body_, {"prompt", "image", "target", "subject", "settings", "patches"});
  query_.question = required_text(body_, "prompt");
  query_.subject = text_field(body_, "subject");
  target_ = text_field(body_, "target");
  settings_ = take_settings(body_);
  patches_ = take_patches(context_, body_);
  options_ = with_request_errors("settings", [&] {
    return trace_options(editor_settings(settings_), context_.seed, /*question=*/true);
  });
  query_.image = take_picture(context_, body_, "image");
  if (!query_.subject.empty() && query_.question.find(query_.subject) == std::string::npos)
    refuse_request("subject", "the prompt does not contain the 'subject'");
  const bool wraps = context_.vlm.processor.wraps(query_.image.present());
  query_.prompt = fill_template(prompt_template({}, query_.question, wraps), query_.question);
  if (!target_.empty()) query_.target = continuation(Protocol(), target_);
}

std::string TraceOrder::title() const { return query_.question.substr(0, 200); }

std::string TraceOrder::command(const std::vector<std::string>& patches) const {
  return CommandLine("trace", context_.arguments)
      .option_if_given("--image", query_.image.path)
      .option("--prompt", query_.question)
      .option_if_given("--target", target_)
      .option_if_given("--subject", query_.subject)
      .options("--set", settings_)
      .options("--patch", patches)
      .option("-o", "trace")
      .text();
}

nlohmann::json TraceOrder::run(JobProgress& progress) const {
  progress.part("tracing");
  const auto& vlm = context_.vlm;
  const auto base = open_stack(context_, patches_);
  ActivationStore store(ActivationStore::Options{});
  TraceContext context;
  context.store = &store;
  context.base = base.stack.interventions(vlm, &store);
  context.on_cell = [&](int64_t done, int64_t total) { progress.step(done, total); };
  const auto result = trace_question(vlm, query_, options_, context);
  progress.part("drawing");
  auto json = context_.run_facts;
  json.update(question_trace_json(vlm, query_, options_, result));
  json["svg"] = nlohmann::json::object();
  for (const auto& runs : result.runs)
    json["svg"][runs.corrupted] = heat_map_svg(runs, runs_title(result, runs));
  json["overlay"] = nullptr;
  if (query_.image.present())
    if (const auto overlay =
            picture_overlay(query_.image.load(), vlm.processor.image_processor, result);
        overlay.width > 0)
      json["overlay"] = png_data_url(overlay);
  json["command"] = command(base.files);
  return json;
}

}  // namespace emend
