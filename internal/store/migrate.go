package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// SchemaVersion numbers what this program knows of the schema: it is that of
// the last migration. A migration after which older programs must not run sets
// installation.oldest_schema to its own number.
const SchemaVersion = 8

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. The caller keeps others out meanwhile.
func migrate(ctx context.Context, e *engine, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(e.dialect, db, files, goose.WithTableName("migrations"),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	have, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if have > 0 {
		var oldest int64
		if err := db.QueryRowContext(ctx, `SELECT oldest_schema FROM installation WHERE id = 1`).Scan(&oldest); err != nil {
			return fmt.Errorf("read the oldest version that may run: %w", err)
		}
		if oldest > SchemaVersion {
			return fmt.Errorf("a newer latchkey has changed this database: it needs one of schema %d or later, and this one is of schema %d", oldest, SchemaVersion)
		}
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
