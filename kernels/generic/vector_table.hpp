// Puts the row, recurrent and attention kernels of a tier into its table. Included inside a tier's region, after the
// kernels.

static void add_vector_kernels(KernelTable& table) {
  VectorKernels& v = table.vector;
  v.rms_norm = rms_norm;
  v.layer_norm = layer_norm;
  v.rotate_halves = rotate_halves;
  v.rotate_interleaved = rotate_interleaved;
  v.softmax = softmax;
  v.exp = exp_of;
  v.tanh = tanh_of;
  v.silu = activate<Silu>;
  v.gelu_tanh = activate<GeluTanh>;
  v.gelu = activate<Gelu>;
  v.relu = activate<Relu>;
  v.relu2 = activate<Relu2>;
  v.xielu = xielu_of;
  v.weighted_sum = weighted_sum;
}

static void add_recurrent_kernels(KernelTable& table) {
  RecurrentKernels& r = table.recurrent;
  r.convolve = convolve;
  r.delta_rule = delta_rule<DeltaKind::one_decay>;
  r.delta_rule_channels = delta_rule<DeltaKind::channels>;
  r.delta_rule_keys = delta_rule<DeltaKind::keys>;
  r.scan = state_scan<false>;
  r.scan_channels = state_scan<true>;
  r.steps = steps_of;
  r.l2_norm = l2_norm;
  r.decay = decay_of;
}

template <class Kv>
static void add_attention(AttentionKernels& kernels, DType type) {
  kernels.attend[kv_index(type)] = attend<Kv>;
  kernels.unpack[kv_index(type)] = unpack_kv<Kv>;
  kernels.index_scores[kv_index(type)] = index_scores<Kv>;
}

static void add_attention_kernels(KernelTable& table) {
  AttentionKernels& a = table.attention;
  add_attention<KvF32>(a, DType::f32);
  add_attention<KvF16>(a, DType::f16);
  add_attention<KvI8>(a, DType::i8);
  a.merge = merge_states;
  a.finish = finish_state;
  a.keys_of_rows = keys_of_rows;
  a.store_key[kv_index(DType::f32)] = store_key_f32;
  a.store_key[kv_index(DType::f16)] = store_key_f16;
  a.store_key[kv_index(DType::i8)] = store_key_i8;
  a.store_value[kv_index(DType::f32)] = store_value_f32;
  a.store_value[kv_index(DType::f16)] = store_value_f16;
  a.store_value[kv_index(DType::i8)] = store_value_i8;
}
