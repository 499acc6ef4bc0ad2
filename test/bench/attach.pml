/*
 * A reduced attach for Spin, to measure the explorer beside it: one loop device of a kernel whose
 * attach is announced before it is scanned (6.12.90), our process, openers, a lossy socket, and
 * a crash of our process at any point.
 *
 * Variants: NOSPLIT (PARTSCAN at LOOP_CONFIGURE) and NODRAIN (the pending scan is left). In both a
 * partition is plugged, dead, plugged. OPENERS: how many.
 */
#ifndef OPENERS
#define OPENERS 2
#endif

#define PARTITIONS 2

mtype:state = { Unbound, Bound, Rundown };
mtype:action = { Change, Add, Remove };
mtype:life = { Never, Plugged, Gone };

/* The device. */
mtype:state lo = Unbound;
bool lo_mutex;
bool open_mutex;
bool claimed;
bool autoclear;
bool partscan;
bool capacity;
bool silent;
bool need;
bool suppressed = true;
byte openers;
byte diskseq = 1;
bool openable[PARTITIONS];
bool plugged[PARTITIONS];

/* Of this instance, for the property. */
mtype:life life[PARTITIONS] = Never;

/* Our socket, and what we know by it: the last that was said of disk and partitions. */
chan uevents = [4] of { mtype:action, byte, byte };
bool closed;
bool overrun;
bool hint;
byte losses = 1;
byte mine;
mtype:action told[PARTITIONS + 1];

/* Our process. */
bool crashed;
byte descriptors;
byte done;

/* The sender waits for room: what a full queue loses is the lossy step's to say. */
inline send(action, place) {
  if
  :: closed
  :: !closed && nfull(uevents) -> uevents!action, place, diskseq
  :: !closed && losses > 0 -> losses--; overrun = true
  fi
}

inline announce() {
  if
  :: silent
  :: !silent && closed
  :: !silent && !closed && nfull(uevents) -> uevents!Change, 0, diskseq
  :: !silent && !closed && losses > 0 -> losses--; overrun = true
  fi
}

/* disk_force_media_change */
inline media_change() {
  announce();
  diskseq++;
  need = true
}

inline drop(p) {
  if
  :: plugged[p] ->
    openable[p] = false;
    atomic {
      send(Remove, p + 1);
      plugged[p] = false;
      if
      :: life[p] == Plugged -> life[p] = Gone
      :: else
      fi
    }
  :: else
  fi
}

inline plug(p) {
  atomic {
    assert(life[p] != Gone);
    life[p] = Plugged;
    plugged[p] = true
  }
  atomic {
    if
    :: silent
    :: !silent -> send(Add, p + 1)
    fi;
    openable[p] = true
  }
}

/* bdev_disk_changed, under the open_mutex */
inline scan() {
  drop(0);
  drop(1);
  atomic {
    need = false;
    has_table = capacity && !suppressed;
    if
    :: has_table -> announce()
    :: else
    fi
  }
  if
  :: has_table -> plug(0); plug(1)
  :: else
  fi;
  has_table = false
}

/* bdev_open of the whole disk */
inline open_disk() {
  atomic { !open_mutex -> open_mutex = true }
  atomic {
    !lo_mutex ->
    granted = lo != Rundown;
    if
    :: granted -> openers++
    :: else
    fi
  }
  if
  :: granted && need -> scan()
  :: else
  fi;
  open_mutex = false
}

/* __loop_clr_fd, under the open_mutex */
inline clear() {
  capacity = false;
  announce();
  media_change();
  if
  :: partscan -> scan()
  :: else
  fi;
  atomic {
    !lo_mutex ->
    autoclear = false;
    partscan = false;
    suppressed = true;
    lo = Unbound;
    life[0] = Never;
    life[1] = Never
  }
}

/* blkdev_put and lo_release */
inline close_disk() {
  atomic { !open_mutex -> open_mutex = true; openers-- }
  if
  :: openers == 0 ->
    atomic {
      !lo_mutex ->
      if
      :: lo == Bound && autoclear -> lo = Rundown
      :: else
      fi
    }
    if
    :: lo == Rundown -> clear()
    :: else
    fi
  :: else
  fi;
  open_mutex = false
}

inline scan_locked() {
  atomic { !open_mutex -> open_mutex = true }
  scan();
  open_mutex = false
}

/* LOOP_CONFIGURE with AUTOCLEAR. Who is killed does not wait for the lo_mutex. */
inline configure(with_partscan) {
  atomic { !claimed -> claimed = true }
  atomic {
    if
    :: !lo_mutex -> lo_mutex = true; silent = true; granted = lo == Unbound
    :: lo_mutex && crashed -> granted = false; claimed = false; goto over
    fi
  }
  if
  :: granted ->
    media_change();
    atomic { autoclear = true; partscan = with_partscan }
    capacity = true;
    atomic {
      lo = Bound;
      mine = diskseq;
      if
      :: with_partscan -> suppressed = false
      :: else
      fi
    }
    atomic { silent = false; announce() }
    lo_mutex = false;
    if
    :: with_partscan -> scan_locked()
    :: else
    fi
  :: else -> atomic { silent = false; lo_mutex = false }
  fi;
  claimed = false
}

/* LOOP_SET_STATUS64 with PARTSCAN */
inline set_status() {
  atomic {
    !lo_mutex ->
    granted = lo == Bound && !partscan;
    if
    :: granted -> lo_mutex = true; partscan = true
    :: else
    fi
  }
  if
  :: granted ->
    atomic { suppressed = false; lo_mutex = false }
    scan_locked()
  :: else
  fi
}

/* LOOP_CLR_FD, left to the last close */
inline clear_fd() {
  atomic {
    !lo_mutex ->
    if
    :: lo == Bound ->
      autoclear = true;
      if
      :: openers <= 1 -> lo = Rundown
      :: else
      fi
    :: else
    fi
  }
}

/* Between two calls our process can be found dead. */
#define ALIVE if :: crashed -> goto over :: else fi

active proctype ours() {
  bool granted;
  bool has_table;

  open_disk();
  assert(granted);
  descriptors++;
  ALIVE;
#ifdef NOSPLIT
  configure(true);
#else
  configure(false);
  ALIVE;
#ifndef NODRAIN
  open_disk();
  descriptors++;
  ALIVE;
  close_disk();
  descriptors--;
  ALIVE;
#endif
  set_status();
#endif
  ALIVE;
  /* Events only say when to look. */
  do
  :: openable[0] && openable[1] && !crashed -> break
  :: (!openable[0] || !openable[1]) && hint && !crashed -> hint = false
  :: crashed -> goto over
  od;
  clear_fd();
  ALIVE;
  close_disk();
  descriptors--;
  do
  :: !capacity && !crashed -> break
  :: capacity && hint && !crashed -> hint = false
  :: crashed -> goto over
  od;
over:
  do
  :: descriptors > 0 -> close_disk(); descriptors--
  :: else -> break
  od;
  atomic {
    closed = true;
    hint = false;
    do
    :: uevents?_, _, _
    :: empty(uevents) -> break
    od;
    done++
  }
}

/* What we hear, whenever we come to it; what is not of our instance says nothing. */
active proctype receiver() {
  mtype:action action;
  byte place;
  byte sequence;

end:
  do
  :: atomic {
      !closed && !crashed && overrun ->
      overrun = false;
      hint = true
    }
  :: atomic {
      !closed && !crashed && !overrun && nempty(uevents) ->
      uevents?action, place, sequence;
      if
      :: mine > 0 && sequence >= mine -> told[place] = action; hint = true
      :: else
      fi;
      action = 0;
      place = 0;
      sequence = 0
    }
  od
}

/* The descriptor of the socket goes with the process. */
active proctype crash() {
end:
  atomic {
    !closed ->
    crashed = true;
    closed = true;
    overrun = false;
    hint = false;
    do
    :: uevents?_, _, _
    :: empty(uevents) -> break
    od
  }
}

active [OPENERS] proctype opener() {
  bool granted;
  bool has_table;

  open_disk();
  if
  :: granted -> close_disk()
  :: else
  fi;
  done++
}

/* Whatever happened, nothing is left. */
active proctype end_of_all() {
  done == OPENERS + 1 ->
  assert(lo == Unbound && openers == 0 && !lo_mutex && !open_mutex && !claimed)
}
