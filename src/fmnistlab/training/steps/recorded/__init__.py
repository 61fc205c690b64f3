"""A training step that is recorded once and replayed on the CPU.

An example: `Sequential(Flatten(), Linear(784, 10))` with cross-entropy and 32 images. In forward
and backward torch runs these operations, told by the blocks of memory that they use. Where
an operation writes no block of its own, it only looks at memory in another shape: its tensor is
there already, and nothing is left to do in a replay. The others become one call each, which writes
into the block that the recording made. No tensor moves after that, except those of the batch, whose
views are rebased onto the new one before each replay.

    view                         0 -> 0         images, flat
    t                            1 -> 1         weight, turned
    addmm                        2 0 1 -> 3     call: scores = bias + images @ weight
    _log_softmax                 3 -> 4         call
    detach                       4 -> 4
    nll_loss_forward             4 5 -> 6 7     call: loss from the labels, block 5
    ones_like                    6 -> 8         the gradient of the loss, which is always 1
    nll_loss_backward            8 4 5 7 -> 9   call
    detach                       4 -> 4
    _log_softmax_backward_data   9 4 -> 10      call: gradient of the scores
    t                            10 -> 10
    mm                           10 0 -> 11     call: gradient of the weight
    t                            11 -> 11
    sum                          10 -> 12       call: gradient of the bias, as ones @ block 10
    view                         12 -> 12
    detach                       12 -> 12
    t                            11 -> 11
    detach                       11 -> 11

So 18 operations, with Python and autograd around them, become 7 calls. Blocks 11 and
12 are then moved into `WorkingWeights`, where the optimizer's kernel finds all gradients in a row.

The order of the files is the order of the work: `contract` says whether a step may be recorded,
`recording` notes the operations and `memory` their blocks, `cropping`, `convolution` and `lowering`
make calls of them, `program` replays these, and `step` is the training step around a program.
"""
