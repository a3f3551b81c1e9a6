//! Expressions that decide, tell, or hand a packet over.

use crate::attr::{Bytes, code, record};
use crate::expr::ObjectType;
use crate::name::Name;
use crate::verdict::{Data, Register};

record! {
    /// `immediate`: puts data into a register; a verdict into that of the verdict.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Immediate;
    /// use tortie_nft_wire::{Batch, Family, Name, Register, Rule, Verdict};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // goto other
    /// let verdict = Verdict::Goto(Name::new("other")?);
    /// let rule = rule.expr(Immediate::new(Register::VERDICT, verdict.into()));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Immediate {
        must {
            /// Where to.
            dreg: Register = 1,
            /// What.
            data: Data = 2,
        }
        may {}
    }
}

record! {
    /// `log`: tells about the packet: the kernel's log, or a group of nfnetlink where there is one.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Log;
    /// use tortie_nft_wire::{Batch, Bytes, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // log prefix "new: " level info flags tcp options
    /// let prefix = Some(Bytes::from_slice(b"new: \0"));
    /// let rule = rule.expr(Log { prefix, level: Some(Log::INFO), flags: Some(Log::TCP_OPTIONS), ..Log::new() });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Log {
        must {}
        may {
            /// Group of nfnetlink_log.
            group: u16 = 1,
            /// What stands before each line, with a zero at the end; at most 127 bytes without it.
            prefix: Bytes = 2,
            /// How many bytes of the packet are told.
            snaplen: u32 = 3,
            /// How many packets are told together.
            qthreshold: u16 = 4,
            /// Level of the kernel's log, [`WARNING`](Self::WARNING) where nothing is said.
            level: u32 = 5,
            /// What else is told: bits of [`TCP_OPTIONS`](Self::TCP_OPTIONS) and its like.
            flags: u32 = 6,
        }
    }
}

impl Log {
    /// The system cannot be used.
    pub const EMERGENCY: u32 = 0;
    /// Something is to be done at once.
    pub const ALERT: u32 = 1;
    /// Critical.
    pub const CRITICAL: u32 = 2;
    /// An error.
    pub const ERROR: u32 = 3;
    /// A warning.
    pub const WARNING: u32 = 4;
    /// Normal, but worth a look.
    pub const NOTICE: u32 = 5;
    /// Told for information.
    pub const INFO: u32 = 6;
    /// Told for who looks for faults.
    pub const DEBUG: u32 = 7;
    /// To the audit log.
    pub const AUDIT: u32 = 8;
    /// Of the flags: the number of the TCP sequence, too.
    pub const TCP_SEQUENCE: u32 = 1;
    /// Of the flags: the options of TCP, too.
    pub const TCP_OPTIONS: u32 = 2;
    /// Of the flags: the options of IP, too.
    pub const IP_OPTIONS: u32 = 4;
    /// Of the flags: the user who owns the socket, too.
    pub const UID: u32 = 8;
    /// Of the flags: the addresses of the link, too.
    pub const MAC: u32 = 32;
}

code! {
    /// How a packet is refused.
    pub struct RejectType: u32 {
        /// An ICMP or ICMPv6 error of the family's own codes.
        ICMP_UNREACH = 0,
        /// A reset of TCP.
        TCP_RST = 1,
        /// An ICMP or ICMPv6 error of a code for both: 0 no route, 1 port, 2 host unreachable, 3 prohibited.
        ICMPX_UNREACH = 2,
    }
}

record! {
    /// `reject`: drops the packet and tells the sender.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::{Reject, RejectType};
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // reject with icmpx admin-prohibited
    /// let code = Some(Reject::ADMIN_PROHIBITED);
    /// let rule = rule.expr(Reject { icmp_code: code, ..Reject::new(RejectType::ICMPX_UNREACH) });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Reject {
        must {
            /// How.
            kind: RejectType = 1,
        }
        may {
            /// Which error.
            icmp_code: u8 = 2,
        }
    }
}

impl Reject {
    /// For both families: there is no route.
    pub const NO_ROUTE: u8 = 0;
    /// For both families: the port cannot be reached.
    pub const PORT_UNREACHABLE: u8 = 1;
    /// For both families: the host cannot be reached.
    pub const HOST_UNREACHABLE: u8 = 2;
    /// For both families: it is prohibited.
    pub const ADMIN_PROHIBITED: u8 = 3;
}

record! {
    /// `notrack`: no connection is looked for.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Notrack;
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // notrack
    /// let rule = rule.expr(Notrack::new());
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Notrack {
        must {}
        may {}
    }
}

record! {
    /// `queue`: hands the packet to a program.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Queue;
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // queue flags bypass num 1-3
    /// let rule = rule.expr(Queue { num: Some(1), total: Some(3), flags: Some(Queue::BYPASS), ..Queue::new() });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Queue {
        must {}
        may {
            /// Number of the first queue.
            num: u16 = 1,
            /// How many queues.
            total: u16 = 2,
            /// Bits of [`BYPASS`](Self::BYPASS) and [`CPU_FANOUT`](Self::CPU_FANOUT).
            flags: u16 = 3,
            /// Where the number of the queue is.
            sreg: Register = 4,
        }
    }
}

impl Queue {
    /// Goes on where nobody listens.
    pub const BYPASS: u16 = 1;
    /// The queue of the processor.
    pub const CPU_FANOUT: u16 = 2;
}

record! {
    /// `objref`: uses an object of the table, by its name or through a map.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::Objref;
    /// use tortie_nft_wire::{Batch, Family, Name, ObjectType, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // counter name "web"
    /// let (kind, name) = (Some(ObjectType::COUNTER), Some(Name::new("web")?));
    /// let rule = rule.expr(Objref { kind, name, ..Objref::new() });
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct Objref {
        must {}
        may {
            /// Kind of the object.
            kind: ObjectType = 1,
            /// Its name.
            name: Name = 2,
            /// What is looked up in a map.
            sreg: Register = 3,
            /// Name of the map.
            set: Name = 4,
            /// Number of the map in this batch.
            set_id: u32 = 5,
        }
    }
}

record! {
    /// `flow_offload`: hands the connection to a flow table.
    ///
    /// # Example
    ///
    /// ```
    /// use tortie_nft_wire::expr::FlowOffload;
    /// use tortie_nft_wire::{Batch, Family, Name, Rule};
    ///
    /// let rule = Rule::new(Name::new("demo")?, Name::new("chain")?);
    /// // flow add @fast
    /// let rule = rule.expr(FlowOffload::new(Name::new("fast")?));
    /// Batch::new().add(Family::INET, &rule)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub struct FlowOffload {
        must {
            /// Name of the flow table.
            table: Name = 1,
        }
        may {}
    }
}
