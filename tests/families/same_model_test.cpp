// What a GGUF file says and what a config.json says of the same model is the same spec, and the spec has a place for
// every tensor of the file.

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "plumb/io/gguf.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"
#include "tests/families/same_spec.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::same_model_test {
namespace {

/// config.json files of the models in arch-dev and arch2-dev, written down from its manifest.
struct SameModel {
  const char* file;
  const char* json;
};
const SameModel kSame[] = {
    {"llama-mha", R"({"model_type":"llama","vocab_size":320,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":3,"num_attention_heads":4,"max_position_embeddings":256,"rms_norm_eps":0.02})"},
    {"llama-gqa", R"({"model_type":"llama","vocab_size":352,"hidden_size":96,"intermediate_size":160,
      "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":1e-6,"tie_word_embeddings":true})"},
    {"llama3-ropefreqs", R"({"model_type":"llama","vocab_size":384,"hidden_size":128,"intermediate_size":192,
      "num_hidden_layers":3,"num_attention_heads":8,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.01,"rope_parameters":{"rope_type":"llama3","factor":8.0,"rope_theta":500000.0}})"},
    {"llama-moe", R"({"model_type":"mixtral","vocab_size":320,"hidden_size":64,"intermediate_size":96,
      "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "num_local_experts":8,"num_experts_per_tok":2,"rope_theta":1e6,"rms_norm_eps":1e-5})"},
    {"qwen2", R"({"model_type":"qwen2","vocab_size":336,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rope_theta":1e6,"rms_norm_eps":0.005,"tie_word_embeddings":true})"},
    {"granite", R"({"model_type":"granite","vocab_size":355,"hidden_size":96,"intermediate_size":172,
        "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
        "rms_norm_eps":0.005,"embedding_multiplier":2.5,"residual_multiplier":0.6,"attention_multiplier":0.3,
        "logits_scaling":3.0,"tie_word_embeddings":true})"},
    {"qwen3", R"({"model_type":"qwen3","vocab_size":336,"hidden_size":64,"intermediate_size":128,"head_dim":32,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rope_theta":1e6,"rms_norm_eps":1e-6,"tie_word_embeddings":true})"},
    {"qwen3moe", R"({"model_type":"qwen3_moe","vocab_size":352,"hidden_size":64,"intermediate_size":128,"head_dim":32,
      "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "num_experts":8,"num_experts_per_tok":3,"moe_intermediate_size":48,"norm_topk_prob":true,"rope_theta":1e6,
      "rms_norm_eps":0.02})"},
    {"gemma2", R"({"model_type":"gemma2","vocab_size":336,"hidden_size":64,"intermediate_size":128,"head_dim":32,
      "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "query_pre_attn_scalar":32,"attn_logit_softcapping":3.0,"final_logit_softcapping":6.0,"sliding_window":16})"},
    {"gemma3", R"({"model_type":"gemma3_text","vocab_size":336,"hidden_size":64,"intermediate_size":128,"head_dim":32,
      "num_hidden_layers":7,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "query_pre_attn_scalar":32,"rms_norm_eps":0.01,"sliding_window":12})"},
    {"gemma3n", R"({"model_type":"gemma3n_text","vocab_size":96,"vocab_size_per_layer_input":96,"hidden_size":16,
      "intermediate_size":64,"head_dim":16,"num_hidden_layers":22,"num_attention_heads":2,"num_key_value_heads":1,
      "max_position_embeddings":256,"rms_norm_eps":0.01,"sliding_window":9,"num_kv_shared_layers":2})"},
    {"gemma4", R"({"model_type":"gemma4_text","vocab_size":340,"vocab_size_per_layer_input":340,"hidden_size":48,
      "intermediate_size":72,"head_dim":16,"global_head_dim":32,"num_hidden_layers":6,"num_attention_heads":3,
      "num_key_value_heads":1,"max_position_embeddings":256,"rms_norm_eps":0.005,"sliding_window":9,
      "hidden_size_per_layer_input":16,"num_kv_shared_layers":3,"use_double_wide_mlp":true,
      "final_logit_softcapping":6.0,"layer_types":["sliding_attention","sliding_attention","full_attention",
      "sliding_attention","sliding_attention","full_attention"]})"},
    {"phi3", R"({"model_type":"phi3","vocab_size":352,"hidden_size":96,"intermediate_size":160,"num_hidden_layers":3,
      "num_attention_heads":6,"num_key_value_heads":3,"max_position_embeddings":256,"sliding_window":262144,
      "original_max_position_embeddings":32,"rope_scaling":{"type":"longrope","long_factor":[],"short_factor":[]}})"},
    {"gpt2", R"({"model_type":"gpt2","vocab_size":320,"n_embd":64,"n_layer":3,"n_head":4,"n_positions":256,
      "layer_norm_epsilon":0.005})"},
    {"gptneox", R"({"model_type":"gpt_neox","vocab_size":320,"hidden_size":64,"intermediate_size":192,
      "num_hidden_layers":3,"num_attention_heads":4,"max_position_embeddings":256,"hidden_act":"gelu",
      "rotary_pct":0.5})"},
    {"deepseek2", R"({"model_type":"deepseek_v2","vocab_size":365,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":3,"num_attention_heads":4,"max_position_embeddings":256,"q_lora_rank":48,"kv_lora_rank":32,
      "qk_rope_head_dim":16,"qk_nope_head_dim":24,"v_head_dim":20,"n_routed_experts":6,"n_shared_experts":2,
      "num_experts_per_tok":3,"moe_intermediate_size":40,"first_k_dense_replace":1,"routed_scaling_factor":2.5,
      "rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":64,"mscale":0.707,
      "mscale_all_dim":0.707}})"},
    {"deepseek3", R"({"model_type":"deepseek_v3","vocab_size":367,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":4,"num_attention_heads":6,"max_position_embeddings":256,"q_lora_rank":40,"kv_lora_rank":48,
      "qk_rope_head_dim":16,"qk_nope_head_dim":32,"v_head_dim":32,"n_routed_experts":16,"n_shared_experts":1,
      "num_experts_per_tok":4,"moe_intermediate_size":36,"first_k_dense_replace":1,"n_group":4,"topk_group":2,
      "routed_scaling_factor":1.5,"rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":64,
      "mscale":1.0,"mscale_all_dim":1.0}})"},
    {"deepseek32", R"({"model_type":"deepseek_v32","vocab_size":347,"hidden_size":64,"intermediate_size":96,
      "num_hidden_layers":3,"num_attention_heads":4,"max_position_embeddings":256,"q_lora_rank":32,"kv_lora_rank":32,
      "qk_rope_head_dim":32,"qk_nope_head_dim":24,"v_head_dim":16,"n_routed_experts":8,"n_shared_experts":1,
      "num_experts_per_tok":2,"moe_intermediate_size":24,"first_k_dense_replace":1,"n_group":2,"topk_group":1,
      "index_n_heads":8,"index_head_dim":64,"index_topk":8,"rope_scaling":{"type":"yarn","factor":4.0,
      "original_max_position_embeddings":64,"mscale":1.0,"mscale_all_dim":1.0}})"},
    {"command-r", R"({"model_type":"cohere","vocab_size":359,"hidden_size":96,"intermediate_size":172,
      "num_hidden_layers":3,"num_attention_heads":6,"max_position_embeddings":256,"layer_norm_eps":0.005,
      "logit_scale":0.25,"rope_theta":8000000.0})"},
    {"cohere2", R"({"model_type":"cohere2","vocab_size":359,"hidden_size":96,"intermediate_size":172,
      "num_hidden_layers":5,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "layer_norm_eps":0.01,"logit_scale":0.5,"rope_theta":50000.0,"rotary_pct":1.0,"sliding_window":13})"},
    {"falcon", R"({"model_type":"falcon","vocab_size":339,"hidden_size":96,"num_hidden_layers":3,
      "num_attention_heads":6,"num_kv_heads":6,"layer_norm_epsilon":0.005,"multi_query":true,"bias":false})"},
    {"falcon40", R"({"model_type":"falcon","vocab_size":341,"hidden_size":96,"num_hidden_layers":3,
      "num_attention_heads":6,"num_kv_heads":2,"layer_norm_epsilon":0.01,"new_decoder_architecture":true,
      "bias":false,"tie_word_embeddings":false})"},
    {"gpt-oss", R"({"model_type":"gpt_oss","vocab_size":363,"hidden_size":64,"intermediate_size":64,
      "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":32,"num_local_experts":8,
      "num_experts_per_tok":3,"sliding_window":12,"max_position_embeddings":256,"rms_norm_eps":0.005,
      "swiglu_limit":7.0,"rope_scaling":{"rope_type":"yarn","factor":8.0,"beta_fast":32.0,"beta_slow":1.0,
      "truncate":false,"original_max_position_embeddings":32},
      "layer_types":["sliding_attention","full_attention","sliding_attention","full_attention"]})"},
    {"granitemoe", R"({"model_type":"granitemoe","vocab_size":357,"hidden_size":96,"intermediate_size":56,
      "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.01,"num_local_experts":6,"num_experts_per_tok":3,"embedding_multiplier":2.0,
      "residual_multiplier":0.5,"attention_multiplier":0.2,"logits_scaling":2.0,"tie_word_embeddings":true})"},
    {"granitemoe-shared", R"({"model_type":"granitemoeshared","vocab_size":357,"hidden_size":96,
      "intermediate_size":56,"shared_intermediate_size":72,"num_hidden_layers":3,"num_attention_heads":6,
      "num_key_value_heads":2,"max_position_embeddings":256,"rms_norm_eps":0.02,"num_local_experts":6,
      "num_experts_per_tok":3,"embedding_multiplier":2.0,"residual_multiplier":0.5,"attention_multiplier":0.2,
      "logits_scaling":2.0,"tie_word_embeddings":true})"},
    {"minicpm", R"({"model_type":"minicpm","vocab_size":349,"hidden_size":96,"intermediate_size":172,
      "num_hidden_layers":3,"num_attention_heads":6,"max_position_embeddings":256,"rms_norm_eps":0.005,
      "scale_emb":3,"scale_depth":1.4,"dim_model_base":32})"},
    {"mpt", R"({"model_type":"mpt","vocab_size":347,"d_model":128,"n_layers":3,"n_heads":8,"max_seq_len":256,
      "expansion_ratio":4,"no_bias":true,"attn_config":{"alibi":true,"alibi_bias_max":8,"clip_qkv":1.5,
      "qk_ln":false,"softmax_scale":null}})"},
    {"nemotron", R"({"model_type":"nemotron","vocab_size":351,"hidden_size":96,"intermediate_size":172,"head_dim":16,
      "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "norm_eps":0.01,"hidden_act":"relu2"})"},
    {"phi2", R"({"model_type":"phi","vocab_size":345,"hidden_size":96,"intermediate_size":384,"hidden_act":"gelu_new",
      "num_hidden_layers":3,"num_attention_heads":6,"max_position_embeddings":256,"layer_norm_eps":0.005})"},
    {"stablelm", R"({"model_type":"stablelm","vocab_size":347,"hidden_size":96,"intermediate_size":172,
      "num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":6,"max_position_embeddings":256,
      "layer_norm_eps":0.02,"use_qkv_bias":true,"use_parallel_residual":false})"},
    {"stablelm12", R"({"model_type":"stablelm","vocab_size":349,"hidden_size":128,"intermediate_size":172,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "layer_norm_eps":0.005,"qk_layernorm":true,"use_parallel_residual":true})"},
    {"olmo3", R"({"model_type":"olmo3","vocab_size":353,"hidden_size":64,"intermediate_size":112,
      "num_hidden_layers":4,"num_attention_heads":4,"max_position_embeddings":256,"rms_norm_eps":1e-6,
      "sliding_window":9,"rope_theta":500000.0,"rope_scaling":{"rope_type":"yarn","factor":8.0,
      "attention_factor":1.20794415,"original_max_position_embeddings":32}})"},
    {"seed_oss", R"({"model_type":"seed_oss","vocab_size":355,"hidden_size":64,"intermediate_size":112,"head_dim":48,
      "num_hidden_layers":3,"num_attention_heads":3,"num_key_value_heads":1,"max_position_embeddings":256,
      "rms_norm_eps":0.01,"rope_theta":1e7,"tie_word_embeddings":true})"},
    {"glm4moe", R"({"model_type":"glm4_moe","vocab_size":341,"hidden_size":64,"intermediate_size":96,"head_dim":32,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rope_theta":1e6,"attention_bias":true,"n_routed_experts":6,"n_shared_experts":1,"num_experts_per_tok":2,
      "moe_intermediate_size":24,"routed_scaling_factor":1.5})"},
    {"minimax-m2", R"({"model_type":"minimax_m2","vocab_size":353,"hidden_size":64,"intermediate_size":24,
      "head_dim":32,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,
      "max_position_embeddings":256,"rms_norm_eps":0.005,"rope_theta":10000.0,"rotary_dim":16,
      "num_local_experts":6,"num_experts_per_tok":2,"scoring_func":"sigmoid"})"},
    {"qwen3vl", R"({"model_type":"qwen3_vl","tie_word_embeddings":false,"text_config":{"model_type":"qwen3_vl_text",
      "vocab_size":349,"hidden_size":64,"intermediate_size":112,"num_hidden_layers":3,"num_attention_heads":4,
      "num_key_value_heads":2,"head_dim":16,"max_position_embeddings":256,
      "rope_scaling":{"mrope_interleaved":true,"mrope_section":[4,2,2],"rope_type":"default"}}})"},
    {"exaone4", R"({"model_type":"exaone4","vocab_size":355,"hidden_size":64,"intermediate_size":112,"head_dim":16,
      "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rope_theta":1e6,"tie_word_embeddings":true,"sliding_window":null,"sliding_window_pattern":null,
      "rope_scaling":{"rope_type":"llama3","factor":8.0}})"},
    {"dots1", R"({"model_type":"dots1","vocab_size":347,"hidden_size":64,"intermediate_size":96,"head_dim":16,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":4,"max_position_embeddings":256,
      "rms_norm_eps":0.005,"rope_theta":1e7,"n_routed_experts":6,"n_shared_experts":2,"num_experts_per_tok":2,
      "moe_intermediate_size":24,"first_k_dense_replace":1,"routed_scaling_factor":2.5,"norm_topk_prob":true})"},
    {"bailingmoe2", R"({"model_type":"bailing_moe","architectures":["BailingMoeV2ForCausalLM"],"vocab_size":349,
      "hidden_size":64,"intermediate_size":96,"head_dim":16,"num_hidden_layers":3,"num_attention_heads":4,
      "num_key_value_heads":2,"max_position_embeddings":256,"rms_norm_eps":1e-5,"rope_theta":600000.0,
      "num_experts":8,"num_experts_per_tok":2,"num_shared_experts":1,"moe_intermediate_size":24,
      "first_k_dense_replace":1,"n_group":4,"topk_group":2,"routed_scaling_factor":2.5,
      "score_function":"sigmoid"})"},
    {"hunyuan-dense", R"({"model_type":"hunyuan_v1_dense","vocab_size":347,"hidden_size":64,"intermediate_size":112,
      "head_dim":32,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,
      "max_position_embeddings":32768,"rope_theta":10000.0,"tie_word_embeddings":true,
      "rope_scaling":{"type":"dynamic","alpha":50.0,"factor":1.0}})"},
    {"hunyuan-moe", R"({"model_type":"hunyuan_v1_moe","vocab_size":349,"hidden_size":64,"intermediate_size":32,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.02,"tie_word_embeddings":true,"num_experts":6,"moe_topk":[2,2,2],
      "moe_intermediate_size":[32,32,32],"num_shared_expert":[1,1,1]})"},
    {"ernie4_5-moe", R"({"model_type":"ernie4_5_moe","vocab_size":352,"hidden_size":64,"intermediate_size":96,
      "head_dim":16,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,
      "max_position_embeddings":256,"moe_num_experts":6,"moe_k":2,"moe_intermediate_size":24})"},
    {"mistral3", R"({"model_type":"ministral3","vocab_size":351,"hidden_size":96,"intermediate_size":144,
      "head_dim":16,"num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,
      "max_position_embeddings":256,"rope_parameters":{"rope_type":"yarn","rope_theta":1e6,"factor":4.0,
      "llama_4_scaling_beta":0.3,"mscale":1.0,"mscale_all_dim":1.0,"original_max_position_embeddings":16}})"},
    {"llama4", R"({"model_type":"llama4_text","vocab_size":345,"hidden_size":64,"intermediate_size":40,
      "intermediate_size_mlp":96,"head_dim":16,"num_hidden_layers":4,"num_attention_heads":4,
      "num_key_value_heads":2,"max_position_embeddings":256,"rms_norm_eps":0.02,"rope_theta":20000.0,
      "num_local_experts":4,"interleave_moe_layer_step":2,"no_rope_layers":[1,1,1,0],
      "rope_scaling":{"rope_type":"llama3","factor":8.0}})"},
    {"smallthinker", R"({"model_type":"smallthinker","vocab_size":345,"hidden_size":64,"head_dim":16,
      "num_hidden_layers":5,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.02,"rope_theta":1500000.0,"moe_num_primary_experts":6,"moe_num_active_primary_experts":2,
      "moe_ffn_hidden_size":24,"moe_primary_router_apply_softmax":false,"rope_layout":[0,1,1,1,0],
      "sliding_window_layout":[0,1,1,1,0],"sliding_window_size":4096})"},
    {"mimo2", R"({"model_type":"mimo_v2_flash","vocab_size":351,"hidden_size":64,"intermediate_size":96,"head_dim":24,
      "v_head_dim":16,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":1,
      "swa_num_key_value_heads":2,"swa_head_dim":24,"swa_v_head_dim":16,"max_position_embeddings":256,
      "layernorm_epsilon":0.005,"rope_theta":20000.0,"swa_rope_theta":10000.0,"partial_rotary_factor":0.34,
      "hybrid_layer_pattern":[0,1,1,0],"sliding_window":9,"add_swa_attention_sink_bias":true,
      "moe_layer_freq":[0,1,1,1],"n_routed_experts":6,"num_experts_per_tok":2,"moe_intermediate_size":24,
      "attention_value_scale":0.7,"n_group":1,"topk_group":1})"},
    {"step35", R"({"model_type":"step3p5","vocab_size":349,"hidden_size":64,"intermediate_size":96,"head_dim":16,
      "num_hidden_layers":3,"num_attention_heads":4,"num_attention_groups":2,"max_position_embeddings":256,
      "attention_other_setting":{"num_attention_heads":6,"num_attention_groups":3},
      "layer_types":["full_attention","sliding_attention","sliding_attention"],"sliding_window":9,
      "rope_theta":[20000.0,10000.0,10000.0],"rope_scaling":{"rope_type":"llama3","factor":8.0},
      "moe_num_experts":6,"moe_top_k":2,"moe_intermediate_size":24,"share_expert_dim":28,
      "moe_router_scaling_factor":3.0,"moe_layers_enum":"1,2","swiglu_limits":[null,null,0.8],
      "swiglu_limits_shared":[null,null,0.6]})"},
    {"apertus", R"({"model_type":"apertus","vocab_size":353,"hidden_size":64,"intermediate_size":144,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.01,"rope_theta":20000.0,"hidden_act":"xielu",
      "rope_scaling":{"rope_type":"llama3","factor":8.0}})"},
    {"bitnet", R"({"model_type":"bitnet","vocab_size":347,"hidden_size":64,"intermediate_size":112,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":4,"max_position_embeddings":256,
      "rms_norm_eps":0.02,"rope_theta":10000.0,"hidden_act":"silu"})"},
    {"afmoe", R"({"model_type":"afmoe","vocab_size":351,"hidden_size":64,"intermediate_size":80,"head_dim":16,
      "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "sliding_window":9,"num_experts":5,"num_experts_per_tok":2,"num_shared_experts":1,"moe_intermediate_size":20,
      "num_dense_layers":1,"route_scale":2.826,"mup_enabled":true})"},
    {"phimoe", R"({"model_type":"phimoe","vocab_size":349,"hidden_size":64,"intermediate_size":40,
      "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.005,"rope_theta":10000.0,"attention_bias":true,"lm_head_bias":true,"num_local_experts":6,
      "original_max_position_embeddings":32,
      "rope_scaling":{"type":"longrope","long_factor":[],"short_factor":[]}})"},
    {"qwen35", R"({"model_type":"qwen3_5_text","vocab_size":336,"hidden_size":64,"intermediate_size":112,
      "head_dim":32,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,
      "max_position_embeddings":256,"rms_norm_eps":0.01,"full_attention_interval":4,"linear_conv_kernel_dim":4,
      "linear_key_head_dim":16,"linear_num_key_heads":2,"linear_num_value_heads":4,"linear_value_head_dim":16,
      "mtp_num_hidden_layers":1,"rope_parameters":{"mrope_interleaved":true,"mrope_section":[2,1,1],
      "partial_rotary_factor":0.25,"rope_theta":10000.0,"rope_type":"default"}})"},
    {"qwen35moe", R"({"model_type":"qwen3_5_moe","text_config":{"model_type":"qwen3_5_moe_text","vocab_size":340,
      "hidden_size":64,"head_dim":32,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,
      "max_position_embeddings":256,"layer_types":["linear_attention","linear_attention","linear_attention",
      "full_attention"],"linear_key_head_dim":16,"linear_num_key_heads":2,"linear_num_value_heads":4,
      "linear_value_head_dim":16,"num_experts":6,"num_experts_per_tok":2,"moe_intermediate_size":24,
      "shared_expert_intermediate_size":32}})"},
    {"qwen3next", R"({"model_type":"qwen3_next","vocab_size":339,"hidden_size":64,"intermediate_size":96,
      "head_dim":32,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,
      "max_position_embeddings":256,"rms_norm_eps":0.02,"linear_key_head_dim":16,"linear_num_key_heads":2,
      "linear_num_value_heads":4,"linear_value_head_dim":16,"num_experts":6,"num_experts_per_tok":2,
      "moe_intermediate_size":24,"shared_expert_intermediate_size":32,"rope_theta":10000.0})"},
    {"lfm2", R"({"model_type":"lfm2","vocab_size":338,"hidden_size":72,"block_ff_dim":192,"block_multiple_of":16,
      "num_hidden_layers":4,"num_attention_heads":6,"num_key_value_heads":2,"max_position_embeddings":256,
      "norm_eps":0.01,"layer_types":["conv","full_attention","conv","conv"]})"},
    {"lfm2moe", R"({"model_type":"lfm2_moe","vocab_size":340,"hidden_size":64,"intermediate_size":112,
      "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "norm_eps":0.01,"layer_types":["conv","full_attention","conv","conv"],"num_experts":6,"num_experts_per_tok":2,
      "moe_intermediate_size":36,"num_dense_layers":1})"},
    {"mamba2", R"({"model_type":"mamba2","vocab_size":336,"hidden_size":64,"num_hidden_layers":3,"state_size":16,
      "num_heads":8,"head_dim":16,"n_groups":1,"layer_norm_epsilon":0.01,"tie_word_embeddings":true,
      "time_step_limit":[0.0,Infinity]})"},
    {"mamba", R"({"model_type":"mamba","vocab_size":336,"hidden_size":64,"num_hidden_layers":3,"state_size":12,
      "intermediate_size":128,"time_step_rank":"auto"})"},
    {"jamba", R"({"model_type":"jamba","vocab_size":345,"hidden_size":48,"intermediate_size":40,"num_hidden_layers":4,
      "num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,"rms_norm_eps":0.02,
      "attn_layer_period":4,"attn_layer_offset":2,"num_experts":4,"mamba_d_state":8})"},
    {"granitehybrid", R"({"model_type":"granitemoehybrid","vocab_size":336,"hidden_size":64,"intermediate_size":24,
      "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":1048576,
      "rms_norm_eps":1e-5,"layer_types":["mamba","mamba","attention","mamba"],"mamba_d_state":16,"mamba_n_heads":8,
      "num_local_experts":5,"num_experts_per_tok":2,"shared_intermediate_size":32,"embedding_multiplier":6.0,
      "residual_multiplier":0.6,"attention_multiplier":0.2,"logits_scaling":1.4,"position_embedding_type":"nope",
      "tie_word_embeddings":true})"},
    {"nemotron_h", R"({"model_type":"nemotron_h","vocab_size":336,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":5,"hybrid_override_pattern":"M-M*-","num_attention_heads":4,"num_key_value_heads":2,
      "head_dim":32,"max_position_embeddings":1048576,"mamba_num_heads":8,"mamba_head_dim":16,"ssm_state_size":16,
      "n_groups":2,"time_step_limit":[0.0,Infinity]})"},
    {"nemotron_h_moe", R"({"model_type":"nemotron_h","vocab_size":336,"hidden_size":64,"intermediate_size":40,
      "num_hidden_layers":5,"layers_block_type":["mamba","moe","mamba","attention","moe"],"num_attention_heads":4,
      "num_key_value_heads":2,"head_dim":32,"max_position_embeddings":1048576,"mamba_num_heads":4,"mamba_head_dim":16,
      "ssm_state_size":16,"n_groups":2,"layer_norm_epsilon":0.005,"n_routed_experts":6,"num_experts_per_tok":2,
      "n_shared_experts":1,"moe_intermediate_size":40,"moe_shared_expert_intermediate_size":56,"n_group":1,
      "topk_group":1,"routed_scaling_factor":2.5})"},
    {"falcon-h1", R"({"model_type":"falcon_h1","vocab_size":339,"hidden_size":64,"intermediate_size":96,"head_dim":16,
      "num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":256,
      "rms_norm_eps":0.02,"rope_theta":1e11,"mamba_d_ssm":96,"mamba_n_heads":6,"mamba_d_state":16})"},
    {"kimi-linear", R"({"model_type":"kimi_linear","vocab_size":351,"hidden_size":64,"intermediate_size":96,
      "head_dim":12,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":4,"model_max_length":256,
      "rms_norm_eps":0.01,"q_lora_rank":null,"kv_lora_rank":24,"qk_nope_head_dim":16,"qk_rope_head_dim":8,
      "v_head_dim":16,"mla_use_nope":true,"linear_attn_config":{"kda_layers":[1,2,3],"full_attn_layers":[4],
      "head_dim":16,"num_heads":4,"short_conv_kernel_size":4},"num_experts":6,"num_experts_per_token":2,
      "num_shared_experts":1,"moe_intermediate_size":24,"first_k_dense_replace":1,"routed_scaling_factor":2.446})"},
    {"rwkv7", R"({"model_type":"rwkv7","vocab_size":280,"hidden_size":128,"intermediate_size":160,
      "num_hidden_layers":2,"head_dim":64,"hidden_act":"sqrelu","norm_eps":1e-5,"decay_low_rank_dim":12,
      "a_low_rank_dim":8,"v_low_rank_dim":6,"gate_low_rank_dim":10,"max_position_embeddings":2048})"},
};

/// Scores of latent attention are scaled by a multiplier that the file rounds, at 0.1 times its value; the numbers of
/// xIELU are no part of a config.json.
void forget_last_bits(ModelSpec& spec) {
  for (LayerSpec& layer : spec.layers)
    if (auto* dense = std::get_if<DenseSpec>(&layer.ffn)) dense->xielu = {};
  for (LayerSpec& layer : spec.layers)
    if (auto* latent = std::get_if<LatentAttentionSpec>(&layer.mixer))
      latent->scale = std::round(latent->scale * 1e6f) / 1e6f;
}

TEST(SameModel, AFileAndAConfigJsonOfOneModelAgree) {
  PLUMB_REQUIRE_FIXTURES();
  for (const SameModel& same : kSame) {
    SCOPED_TRACE(same.file);
    ModelSpec file = spec_from_file(GgufFile::open(test::architecture_fixture(std::string(same.file) + ".gguf")));
    ModelSpec json = spec_from_json(same.json, "config.json");
    forget_last_bits(file);
    forget_last_bits(json);
    test::expect_same(json, file);
  }
}

/// Layers that read the keys and values of others may have tensors for their own, which nobody uses; and the first
/// layer of RWKV has those with which others take of its values.
bool is_unused(const ModelSpec& spec, const GgufTensor& tensor) {
  const auto id = tensor_id_of_gguf_name(tensor.name);
  if (!id || id->layer < 0 || id->layer >= spec.n_layers()) return false;
  const Mixer& mixer = spec.layers[static_cast<std::size_t>(id->layer)].mixer;
  if (const auto* rwkv = std::get_if<RwkvSpec>(&mixer))
    return rwkv->first_rank == 0 && (id->role == TensorRole::mix_first || id->role == TensorRole::mix_first_down ||
                                     id->role == TensorRole::mix_first_up);
  const auto* attention = std::get_if<AttentionSpec>(&mixer);
  const bool of_keys = id->role == TensorRole::attn_k || id->role == TensorRole::attn_k_norm;
  return attention && !attention->own_kv() && (of_keys || id->role == TensorRole::attn_v);
}

TEST(SameModel, TensorsOfFilesAreFoundWhole) {
  PLUMB_REQUIRE_FIXTURES();
  for (const SameModel& same : kSame) {
    SCOPED_TRACE(same.file);
    const GgufFile file = GgufFile::open(test::architecture_fixture(std::string(same.file) + ".gguf"));
    const ModelSpec spec = spec_from_file(file);
    std::int64_t found = 0, all = 0;
    for_each_tensor(spec, [&](const TensorSpec& tensor) {
      const auto view = find_tensor(file, spec, tensor);
      ASSERT_TRUE(view) << tensor_name(spec, tensor.id);
      EXPECT_EQ(view->view.shape().elements(), tensor.shape.elements()) << tensor_name(spec, tensor.id);
      found += view->view.shape().elements();
    });
    for (const GgufTensor& tensor : file.tensors())
      if (!is_unused(spec, tensor)) all += tensor.view.shape().elements();
    EXPECT_EQ(found, all) << "parts of the file are not used";
  }
}

}  // namespace
}  // namespace plumb::same_model_test
