# The options of `ollamalive.ollama` that are variables of Ollama's environment, and their names there.
{
  contextLength = "OLLAMA_CONTEXT_LENGTH";
  flashAttention = "OLLAMA_FLASH_ATTENTION";
  keepAlive = "OLLAMA_KEEP_ALIVE";
  kvCacheType = "OLLAMA_KV_CACHE_TYPE";
  maxLoadedModels = "OLLAMA_MAX_LOADED_MODELS";
  maxQueue = "OLLAMA_MAX_QUEUE";
  noCloud = "OLLAMA_NO_CLOUD";
  numParallel = "OLLAMA_NUM_PARALLEL";
  origins = "OLLAMA_ORIGINS";
}
