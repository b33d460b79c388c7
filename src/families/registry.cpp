#include "registry.hpp"

#include <algorithm>
#include <vector>

#include "folder.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/family.hpp"

namespace plumb::inline PLUMB_ABI {
namespace family {

std::span<const Family> all_families() {
  static const std::vector<Family> all = [] {
    std::vector<Family> families;
    for (const auto part :
         {llama_families(),    qwen_families(),      gemma_families(),    gemma4_families(),   gpt_families(),
          phi_families(),      granite_families(),   deepseek_families(), cohere_families(),   falcon_families(),
          gpt_oss_families(),  llama_kin_families(), mpt_families(),      nemotron_families(), olmo_families(),
          stablelm_families(), afmoe_families(),     apertus_families(),  bailing_families(),  bitnet_families(),
          dots_families(),     ernie_families(),     exaone_families(),   glm_families(),      hunyuan_families(),
          llama4_families(),   mimo_families(),      minimax_families(),  mistral_families(),  smallthinker_families(),
          step_families(),     qwen_next_families(), lfm_families(),      mamba_families(),    bert_families(),
          kimi_families(),     rwkv_families()})
      families.insert(families.end(), part.begin(), part.end());
    std::sort(families.begin(), families.end(),
              [](const Family& a, const Family& b) { return a.architecture < b.architecture; });
    return families;
  }();
  return all;
}

const Family* find_family(std::string_view architecture) {
  for (const Family& family : all_families())
    if (family.architecture == architecture) return &family;
  return nullptr;
}

std::string usual_name(const Family& family, const TensorId& id) {
  for (const RoleName& own : family.names)
    if (own.role == id.role) {
      std::string name = gguf_tensor_name(id, own.gguf);
      if (own.bare) name.resize(name.size() - gguf_suffix(id).size());
      return name;
    }
  return gguf_tensor_name(id);
}

std::string name_in(const Family& family, const ModelSpec& spec, const TensorId& id) {
  const std::string_view own = family.name_in ? family.name_in(spec, id) : std::string_view();
  return own.empty() ? usual_name(family, id) : gguf_tensor_name(id, own);
}

std::string fused_name(std::string_view base, int layer, bool bias) {
  return "blk." + std::to_string(layer) + "." + std::string(base) + (bias ? ".bias" : ".weight");
}

}  // namespace family

ModelSpec spec_from_file(const ModelFile& file) {
  if (const family::FolderAssembly* folder = family::folder_of(file)) return folder->spec();
  const std::string_view name = file.get_string("general.architecture");
  const family::Family* found = family::find_family(name);
  if (!found)
    file.fail_key(ErrorCode::unsupported_architecture, "general.architecture",
                  quote(name, 60) + " is not known here, expected one of the " +
                      std::to_string(family::all_families().size()) + " architectures that families list");
  const family::Keys keys(file, *found, [&file](const std::string& name_of) -> std::optional<std::int64_t> {
    const GgufTensor* tensor = file.find_tensor(name_of);
    if (!tensor) return std::nullopt;
    return tensor->view.rows();
  });
  ModelSpec spec = found->read(keys);
  spec.family = name;
  spec.name = printable(file.string_or("general.name", ""));
  check_spec(spec, file.path());
  return spec;
}

std::vector<FamilyInfo> families() {
  std::vector<FamilyInfo> infos;
  for (const family::Family& known : family::all_families()) {
    FamilyInfo info{known.architecture, {}, {}, known.models};
    for (const family::ModelType& type : known.types)
      if (type.only_with.empty())
        info.model_types.push_back(type.name);
      else
        info.shared_types.emplace_back(type.name, type.only_with);
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace plumb
