"""Names of torch that a checkpoint may hold: layers, optimizers, and functions that only compute, each by itself."""

_LAYERS = """
AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveLogSoftmaxWithLoss AdaptiveMaxPool1d AdaptiveMaxPool2d
AdaptiveMaxPool3d AlphaDropout AvgPool1d AvgPool2d AvgPool3d BCELoss BCEWithLogitsLoss BatchNorm1d BatchNorm2d
BatchNorm3d Bilinear CELU CTCLoss ChannelShuffle CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d
ConstantPad3d Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d CosineEmbeddingLoss
CosineSimilarity CrossEntropyLoss CrossMapLRN2d Dropout Dropout1d Dropout2d Dropout3d ELU Embedding EmbeddingBag
FeatureAlphaDropout Flatten Fold FractionalMaxPool2d FractionalMaxPool3d GELU GLU GRU GRUCell GaussianNLLLoss GroupNorm
Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss Identity InstanceNorm1d InstanceNorm2d
InstanceNorm3d KLDivLoss L1Loss LPPool1d LPPool2d LPPool3d LSTM LSTMCell LayerNorm LeakyReLU Linear LocalResponseNorm
LogSigmoid LogSoftmax MSELoss MarginRankingLoss MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d Mish
ModuleDict ModuleList MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss MultiheadAttention NLLLoss
NLLLoss2d NonDynamicallyQuantizableLinear PReLU PairwiseDistance PixelShuffle PixelUnshuffle PoissonNLLLoss RMSNorm RNN
RNNCell RReLU ReLU ReLU6 ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d
ReplicationPad3d SELU Sequential SiLU Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d Softmin Softplus Softshrink
Softsign SyncBatchNorm Tanh Tanhshrink Threshold Transformer TransformerDecoder TransformerDecoderLayer
TransformerEncoder TransformerEncoderLayer TripletMarginLoss TripletMarginWithDistanceLoss Unflatten Unfold Upsample
UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d
"""
_QUANTISED = """
BNReLU2d BNReLU3d BatchNorm2d BatchNorm3d Conv1d Conv2d Conv3d ConvBn1d ConvBn2d ConvBnReLU1d ConvBnReLU2d ConvReLU1d
ConvReLU2d ConvReLU3d ConvTranspose1d ConvTranspose2d DeQuantize Dropout ELU Embedding EmbeddingBag
EmbeddingPackedParams FloatFunctional FXFloatFunctional GRU GroupNorm Hardswish InstanceNorm1d InstanceNorm2d LSTM
LayerNorm LeakyReLU Linear LinearPackedParams LinearReLU MultiheadAttention PReLU QFunctional Quantize ReLU6 Sigmoid
Softmax
"""
_OPTIMIZERS = "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Muon NAdam RAdam RMSprop Rprop SGD SparseAdam"
_SCHEDULERS = """
LRScheduler _LRScheduler StepLR MultiStepLR ConstantLR LinearLR ExponentialLR SequentialLR PolynomialLR
CosineAnnealingLR ChainedScheduler ReduceLROnPlateau CyclicLR CosineAnnealingWarmRestarts OneCycleLR
"""
_FUNCTIONS = """
relu relu6 gelu silu mish elu selu celu leaky_relu softplus softmax log_softmax sigmoid tanh hardswish hardsigmoid glu
cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss kl_div binary_cross_entropy
binary_cross_entropy_with_logits
"""


def _any(names: str) -> str:
    return "|".join(names.split())


# module, name: both patterns must cover the whole of it
TORCH_CLASSES = (
    (r"torch\.nn\.modules\.\w+", _any(_LAYERS)),
    (r"torch(?:\.ao)?\.nn\.(?:intrinsic\.)?(?:quantized|qat)(?:\.dynamic)?\.modules(?:\.\w+)?", _any(_QUANTISED)),
    (r"torch\.nn\.functional|torch\._C\._nn", _any(_FUNCTIONS)),
    (r"torch\.nn\.parallel\.data_parallel", "DataParallel"),
    (r"torch\.nn\.utils\.(?:weight_norm|spectral_norm)", r"(?:Weight|Spectral)Norm\w*"),
    (r"torch\.nn\.backends\.thnn", r"_get_thnn_function_backend"),
    (r"torch\.optim\.\w+", _any(_OPTIMIZERS)),
    (r"torch\.optim\.lr_scheduler", _any(_SCHEDULERS)),
    (r"torch\.torch_version", r"TorchVersion"),
    (r"torch\.utils\.hooks", r"BackwardHook|RemovableHandle"),
)
