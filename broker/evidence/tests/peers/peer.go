// Verifies a sealed log with Go's own packages for checksum databases, as Debian ships them: note and tlog.
//
// peer DIR VKEY [OLDER]: status 0 when every record is in the log and it goes on from the older checkpoint, else 1.
package main

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/ioutil"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := verify(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func verify(arguments []string) error {
	directory := arguments[0]
	verifier, err := note.NewVerifier(arguments[1])
	if err != nil {
		return err
	}
	tree, err := checkpoint(filepath.Join(directory, "checkpoint"), verifier)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tree, reader{directory})
	for start := int64(0); start < tree.N; start += 256 {
		records, err := bundle(directory, start, tree.N)
		if err != nil {
			return err
		}
		for at, record := range records {
			number := start + int64(at)
			proof, err := tlog.ProveRecord(tree.N, number, hashes)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, tree.N, tree.Hash, number, tlog.RecordHash(record)); err != nil {
				return fmt.Errorf("record %d: %v", number, err)
			}
		}
	}
	if len(arguments) > 2 {
		older, err := checkpoint(arguments[2], verifier)
		if err != nil {
			return err
		}
		if older.N > tree.N {
			return fmt.Errorf("the log was cut")
		}
		proof, err := tlog.ProveTree(tree.N, older.N, hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash); err != nil {
			return err
		}
	}
	fmt.Println("accepted:", tree.N)
	return nil
}

func checkpoint(path string, verifier note.Verifier) (tlog.Tree, error) {
	message, err := ioutil.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(message, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("no checkpoint of this log: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("no root: %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// The entries of one bundle.
func bundle(directory string, start, size int64) ([][]byte, error) {
	tile := tlog.Tile{H: 8, L: 0, N: start / 256, W: 256}
	if size-start < 256 {
		tile.W = int(size - start)
	}
	path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := ioutil.ReadFile(filepath.Join(directory, path))
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for len(data) >= 2 {
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			break
		}
		records = append(records, data[2:2+length])
		data = data[2+length:]
	}
	if len(data) != 0 || len(records) != tile.W {
		return nil, fmt.Errorf("%s has another number of entries", path)
	}
	return records, nil
}

// Reads tiles where c2sp.org/tlog-tiles has them: without the height in the path.
type reader struct{ directory string }

func (reader) Height() int { return 8 }

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := ioutil.ReadFile(filepath.Join(r.directory, path))
		if err != nil {
			return nil, err
		}
		read = append(read, data)
	}
	return read, nil
}

func (reader) SaveTiles([]tlog.Tile, [][]byte) {}
