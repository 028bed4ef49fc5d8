# Vector kernels get their own flags, so that the rest still runs on any machine of the architecture.
# Which of them runs is chosen at run time (csrc/nn/target.cpp).
include(CheckCXXCompilerFlag)

if(SAMEBITS_FAST_TARGETS AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  file(GLOB_RECURSE avx2_sources CONFIGURE_DEPENDS csrc/*_avx2.cpp)
  set_source_files_properties(${avx2_sources} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mbmi2")
  target_sources(samebits_core PRIVATE ${avx2_sources})
  target_compile_definitions(samebits_core PRIVATE SAMEBITS_HAVE_AVX2)

  file(GLOB_RECURSE avx512_sources CONFIGURE_DEPENDS csrc/*_avx512.cpp)
  if(SAMEBITS_EMULATE_AVX512)
    # What is emulated is what has to give the same bits; training uses AVX2 then.
    list(FILTER avx512_sources EXCLUDE REGEX "csrc/training/")
    set_source_files_properties(${avx512_sources} PROPERTIES
      INCLUDE_DIRECTORIES ${CMAKE_SOURCE_DIR}/tests/portable/emulation COMPILE_OPTIONS "-w")
    target_compile_definitions(samebits_core PRIVATE SAMEBITS_EMULATE_AVX512)
  else()
    # GCC 12 warns of its own header (its bug 105593).
    set_source_files_properties(${avx512_sources} PROPERTIES COMPILE_OPTIONS
      "-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512vnni;-mfma;-mbmi2;-Wno-uninitialized;$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>")
  endif()
  target_sources(samebits_core PRIVATE ${avx512_sources})
  target_compile_definitions(samebits_core PRIVATE SAMEBITS_HAVE_AVX512)

  # Only training multiplies in bfloat16 (csrc/training/layers.cpp chooses).
  check_cxx_compiler_flag(-mavx512bf16 SAMEBITS_COMPILER_HAS_AVX512_BF16)
  if(SAMEBITS_COMPILER_HAS_AVX512_BF16 AND NOT SAMEBITS_EMULATE_AVX512)
    file(GLOB_RECURSE bf16_sources CONFIGURE_DEPENDS csrc/*_bf16.cpp)
    set_source_files_properties(${bf16_sources} PROPERTIES COMPILE_OPTIONS
      "-mavx512f;-mavx512bw;-mavx512vl;-mavx512dq;-mavx512bf16;-mfma;-mbmi2;-Wno-uninitialized;$<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>")
    target_sources(samebits_core PRIVATE ${bf16_sources})
    set_source_files_properties(csrc/training/layers.cpp PROPERTIES
      COMPILE_DEFINITIONS SAMEBITS_HAVE_AVX512_BF16)
  endif()
endif()

if(SAMEBITS_FAST_TARGETS AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  file(GLOB_RECURSE neon_sources CONFIGURE_DEPENDS csrc/*_neon.cpp)
  target_sources(samebits_core PRIVATE ${neon_sources})
  target_compile_definitions(samebits_core PRIVATE SAMEBITS_HAVE_NEON)
endif()
