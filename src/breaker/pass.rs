use super::{Breaker, kept::KeptLanes, lane::Tag};

/// What a call holds that went past the lock and isn't timed: by which terms, packed, and of which lanes. To hold these costs nothing.
///
/// Of whole words: a processor that reads together what was written in parts waits for the parts. For the same reason what a healthy call runs
/// through is inlined where it is made, so that its permit is put where it stays.
#[derive(Clone, Debug)]
pub(super) struct Pass {
    lanes: KeptLanes,
    terms: u64,
}

impl Pass {
    #[inline(always)]
    pub(super) fn new(lanes: &KeptLanes, terms: u64) -> Self {
        Self {
            lanes: lanes.clone(),
            terms,
        }
    }

    /// Counts the call as good, unless it has to be looked at.
    #[inline(always)]
    pub(super) fn end_good(&self) -> bool {
        self.lanes.finish(self.terms)
    }

    /// Counts the call, which was refused and went to the backup, as good, unless it has to be looked at.
    #[inline(always)]
    pub(super) fn end_backed_up(&self) -> bool {
        self.lanes.back_up(self.terms)
    }

    #[inline]
    pub(super) fn tag(&self) -> Tag {
        Tag::of(self.terms)
    }

    /// `None` where nobody holds it any more.
    pub(super) fn breaker(&self) -> Option<Breaker> {
        self.lanes.breaker(self.tag())
    }
}
