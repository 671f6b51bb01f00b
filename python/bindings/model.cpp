#include "model.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "evaluation/protocol/prompt_template.h"
#include "evaluation/protocol/protocol.h"
#include "io/error.h"
#include "models/prompting/request_batch.h"
#include "watch.h"

namespace emend::python {
namespace {

LoadOptions load_options(const std::optional<std::string>& dtype, const std::string& device,
                         bool chat_template) {
  LoadOptions options;
  options.dtype = dtype ? named_dtype(*dtype) : std::nullopt;
  options.chat_template = chat_template;
  if (dtype && !options.dtype)
    throw Error("python::load", "unknown dtype '" + *dtype + "'", "use fp32, bf16 or fp16");
  try {
    options.device = at::Device(device);
  } catch (const c10::Error&) {
    throw Error("python::load", "unknown device '" + device + "'", "use cpu or cuda");
  }
  if (options.device.is_cuda() && !at::hasCUDA())
    throw Error("python::load", "no CUDA device is available", "use device=\"cpu\"");
  return options;
}

struct AskOptions {
  std::string pattern;
  std::optional<int64_t> max_new_tokens;
  double temperature = 0, top_p = 1;
  uint64_t seed = 0;
};

Query query_for(const Vlm& vlm, const std::string& text, const std::vector<Picture>& pictures,
                const std::string& pattern) {
  const bool wraps = vlm.processor.wraps(!pictures.empty());
  Query query;
  for (const auto& picture : pictures) query.add(picture.load());
  query.text = fill_template(prompt_template({pattern}, text, wraps), text);
  return query;
}

std::string ask(OpenModel& model, const std::string& text, const std::vector<Picture>& pictures,
                const Patches& patches, const AskOptions& asked) {
  const Watch watch{py::none()};
  OpenModel::Call call(model);
  GenerationOptions options;
  options.temperature = asked.temperature;
  options.top_p = asked.top_p;
  options.seed = asked.seed;
  const auto& config = call.vlm().processor.generation;
  if (asked.max_new_tokens)
    options.max_new_tokens = *asked.max_new_tokens;
  else if (config.max_new_tokens > 0)
    options.max_new_tokens = config.max_new_tokens;
  options.on_tokens = [&](int64_t, const std::vector<int64_t>& tokens) {
    watch("generating", static_cast<int64_t>(tokens.size()), options.max_new_tokens);
    return true;
  };
  const auto query = query_for(call.vlm(), text, pictures, asked.pattern);
  const auto interventions = call.stack(patches).interventions(call.vlm(), &call.store());
  return generate(call.vlm(), {query}, interventions, options, &call.store()).at(0);
}

at::Tensor logits(OpenModel& model, const std::string& text, const std::vector<Picture>& pictures,
                  const std::string& answer, const Patches& patches, const std::string& pattern) {
  OpenModel::Call call(model);
  const at::NoGradGuard no_grad;
  const auto& vlm = call.vlm();
  const auto query = query_for(vlm, text, pictures, pattern);
  const auto interventions = call.stack(patches).interventions(vlm, &call.store());
  if (!answer.empty()) {
    Protocol protocol;
    protocol.answer_space = Protocol::AnswerSpace::plain;
    return teacher_force(vlm, {query}, {continuation(protocol, answer)}, interventions)
        .at(0)
        .logits;
  }
  auto pass = vlm.model->collate(request_batch(vlm, {query}, interventions));
  vlm.model->run(pass, interventions);
  return pass.logits()[0].to(at::kFloat);
}

nlohmann::json describe(const Vlm& vlm) {
  auto stages = nlohmann::json::array(), sites = nlohmann::json::array();
  for (const auto& stage : vlm.model->stages()) stages.push_back(stage.name);
  for (const auto& site : vlm.model->sites())
    sites.push_back({{"name", site.name},
                     {"out", site.out},
                     {"in", site.in},
                     {"stage", vlm.model->stages()[site.stage].name}});
  int64_t parameters = 0;
  for (const auto& [name, tensor] : vlm.model->parameters()) parameters += tensor.numel();
  return {{"folder", vlm.folder},
          {"device", vlm.model->device().str()},
          {"precision", precision_facts(vlm.precision)},
          {"parameters", parameters},
          {"image_tokens", vlm.model->num_image_tokens() == Model::kVariable
                               ? nlohmann::json()
                               : nlohmann::json(vlm.model->num_image_tokens())},
          {"vocabulary", vlm.model->vocabulary()},
          {"stages", stages},
          {"sites", sites}};
}

}  // namespace

OpenModel::OpenModel(const std::string& folder, const std::optional<std::string>& dtype,
                     const std::string& device, bool chat_template)
    : vlm_(load_vlm(folder, load_options(dtype, device, chat_template))),
      chat_template_(chat_template),
      store_(ActivationStore::Options{}) {}

nlohmann::json OpenModel::run_facts(int64_t seed) const {
  nlohmann::json facts = {{"version", EMEND_VERSION},
                          {"threads", at::get_num_threads()},
                          {"device", vlm_.model->device().is_cuda() ? "cuda" : "cpu"},
                          {"chat_template", chat_template_},
                          {"seed", seed}};
  facts.update(precision_facts(vlm_.precision));
  return facts;
}

OpenModel::Call::Call(OpenModel& model)
    : model_(model), lock_(model.mutex_), bos_(model.vlm_.processor.bos) {
  if (model_.busy_)
    throw Error("python::model", "the model is in use by the function that called this one",
                "call the model after that function has returned");
  model_.busy_ = true;
}

OpenModel::Call::~Call() {
  model_.vlm_.processor.bos = bos_;
  model_.busy_ = false;
}

const PatchStack& OpenModel::Call::stack(const Patches& patches) {
  if (patches != model_.stacked_) {
    PatchStack stack;
    for (const auto& patch : patches) stack.apply(model_.vlm_, *patch);
    model_.stack_ = std::move(stack);
    model_.stacked_ = patches;
  }
  return model_.stack_;
}

void bind_model(py::module_& module) {
  using namespace pybind11::literals;
  py::class_<OpenModel, std::shared_ptr<OpenModel>>(module, "OpenModel")
      .def(py::init([](const std::string& folder, const std::optional<std::string>& dtype,
                       const std::string& device, bool chat_template) {
             const py::gil_scoped_release released;
             return std::make_shared<OpenModel>(folder, dtype, device, chat_template);
           }),
           "folder"_a, "dtype"_a, "device"_a, "chat_template"_a)
      .def(
          "ask",
          [](OpenModel& model, const std::string& text, const std::vector<py::object>& images,
             const Patches& patches, const std::string& pattern,
             const std::optional<int64_t>& max_new_tokens, double temperature, double top_p,
             uint64_t seed) {
            return ask(model, text, pictures_of(images), patches,
                       {pattern, max_new_tokens, temperature, top_p, seed});
          },
          "text"_a, "images"_a, "patches"_a, "pattern"_a, "max_new_tokens"_a, "temperature"_a,
          "top_p"_a, "seed"_a)
      .def(
          "logits",
          [](OpenModel& model, const std::string& text, const std::vector<py::object>& images,
             const std::string& answer, const Patches& patches, const std::string& pattern) {
            return logits(model, text, pictures_of(images), answer, patches, pattern);
          },
          "text"_a, "images"_a, "answer"_a, "patches"_a, "pattern"_a)
      .def("fingerprint",
           [](OpenModel& model) {
             OpenModel::Call call(model);
             return call.vlm().fingerprint();
           })
      .def("describe", [](const OpenModel& model) { return to_python(describe(model.vlm())); });
}

}  // namespace emend::python
