package store

import "database/sql"

// Pool returns figures of the connections that reads go over.
func (s *Store) Pool() sql.DBStats { return s.reads.stats() }

// stats counts sessions rather than connections, which each session keeps.
func (r *fileReaders) stats() sql.DBStats {
	st := r.db.Stats()
	st.Idle = len(r.idle)
	st.InUse = sqliteReaders - st.Idle
	return st
}

func (r *pooledReaders) stats() sql.DBStats { return r.db.Stats() }
