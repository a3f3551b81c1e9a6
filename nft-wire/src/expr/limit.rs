//! Expressions that count and limit.

use crate::attr::{code, record};

record! {
    /// `counter`: counts packets and bytes.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Counter;
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // counter packets 2 bytes 120
    /// let rule = rule.expr(Counter { packets: Some(2), bytes: Some(120), ..Counter::new() });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Counter {
        must {}
        may {
            /// Bytes so far.
            bytes: u64 = 1,
            /// Packets so far.
            packets: u64 = 2,
        }
    }
}

code! {
    /// What is limited.
    pub struct LimitType: u32 {
        /// Packets.
        PACKETS = 0,
        /// Bytes.
        BYTES = 1,
    }
}

record! {
    /// `limit`: ends the rule once there are more in a unit of time.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Limit, LimitType};
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // limit rate over 1 mbytes/second
    /// let limit = Limit { kind: Some(LimitType::BYTES), flags: Some(Limit::OVER), ..Limit::new(1 << 20, 1) };
    /// let rule = rule.expr(limit);
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Limit {
        must {
            /// How many.
            rate: u64 = 1,
            /// Seconds of the unit of time.
            unit: u64 = 2,
        }
        may {
            /// How many more may come at once.
            burst: u32 = 3,
            /// Of what; packets where nothing is said.
            kind: LimitType = 4,
            /// 0, or [`OVER`](Self::OVER).
            flags: u32 = 5,
        }
    }
}

impl Limit {
    /// Ends the rule until there are more.
    pub const OVER: u32 = 1;
}

record! {
    /// `connlimit`: ends the rule while there are more connections.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Connlimit;
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // ct count over 20
    /// let rule = rule.expr(Connlimit { flags: Some(Connlimit::OVER), ..Connlimit::new(20) });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Connlimit {
        must {
            /// How many.
            count: u32 = 1,
        }
        may {
            /// 0, or [`OVER`](Self::OVER).
            flags: u32 = 2,
        }
    }
}

impl Connlimit {
    /// Ends the rule while there are no more.
    pub const OVER: u32 = 1;
}

record! {
    /// `quota`: ends the rule once there were more bytes.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Quota;
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // quota over 10 mbytes
    /// let rule = rule.expr(Quota { flags: Some(Quota::OVER), ..Quota::new(10 << 20) });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Quota {
        must {
            /// How many.
            bytes: u64 = 1,
        }
        may {
            /// Bits of [`OVER`](Self::OVER) and [`DEPLETED`](Self::DEPLETED).
            flags: u32 = 2,
            /// How many there were.
            consumed: u64 = 4,
        }
    }
}

impl Quota {
    /// Ends the rule until there were more.
    pub const OVER: u32 = 1;
    /// In an answer: there were more.
    pub const DEPLETED: u32 = 2;
}

record! {
    /// `last`: remembers when a packet came last.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Last;
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // last used never
    /// let rule = rule.expr(Last::new());
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Last {
        must {}
        may {
            /// 1 if one ever came.
            set: u32 = 1,
            /// How many milliseconds ago.
            msecs: u64 = 2,
        }
    }
}
