//! The words of the field that flags and reports use.

/// For the end of `train --help`, wrapped for 80 columns.
pub const WORDS: &str = "\
Words:
  augmentation
          Every time a beat is shown it is varied anew: noise, gain, shift,
          stretch of time, baseline wander. It teaches what does not matter
  average
          A running mean of the weights over the steps, which is steadier than
          the last weights
  bottleneck
          A block whose convolutions work on fewer channels than it takes and
          gives
  calibration
          A temperature divides the logits, so that of answers given with 90 %
          nine in ten are right
  fiducial point
          The sample of a beat that the window lies around: its R peak as
          annotated or detected
  focal
          A loss that counts beats by (1 - p)^GAMMA, p being the probability of
          the right class: what is learnt already counts less
  fold
          A part of the patients. Each fold is tested by a network that learnt
          from all others
  jk
          Half Cohen's kappa, half the mean of sensitivity and predictivity of
          S and V (Mar et al. 2011)
  logit
          The number that the network gives a class before they become
          probabilities
  logit bias
          A number added to a class's logit (--class-bias): above 0, the class
          is called more often
  macro-F1
          The mean of F1 over the classes, each counted alike however rare
  monitor
          The figure on the validation part that picks the epoch whose network
          is kept
  reject
          A beat whose answer is less sure than a threshold keeps its class and
          is marked
  retimed
          Beats of the same recordings moved in time, as premature beats,
          pauses or fibrillation would: more examples of rare rhythms
  rhythm features
          Numbers beside the window: intervals to neighbouring beats and the
          like
  second lead
          The other lead of a recording, shown as beats of a lead of its own
  squeeze-excitation
          A gate on each channel, computed from the means of all channels
  teacher
          A trained network whose answers are learnt besides the labels
  template
          The mean of a patient's usual beats so far, which features compare a
          beat with
  test, validation
          The validation part picks epoch and settings; the test part is looked
          at once, at the end";
