import type { Statements } from './engine.ts'

/** PostgreSQL's statements. */
export const statements: Statements = {
  login: 'SELECT session_user AS login',
  whereabouts: 'SELECT current_database() AS place, current_user AS acting',
  sleep: 'SELECT pg_sleep(60)',
  changePassword: text => `SET ROLE NONE; ALTER ROLE CURRENT_USER PASSWORD '${text}'`,
  holds: [
    ['a lock on a table', 'BEGIN; LOCK TABLE orders IN ROW EXCLUSIVE MODE'],
    ['rows', 'BEGIN; SELECT FROM orders FOR UPDATE'],
    ['a lock with a number', 'SELECT pg_advisory_lock(1260)'],
    [
      'a change of its own password',
      "BEGIN; SET ROLE NONE; ALTER ROLE CURRENT_USER PASSWORD 'mine'; SET ROLE orders_write",
    ],
    ['a change of its own settings', "BEGIN; SET ROLE NONE; ALTER ROLE CURRENT_USER SET work_mem = '1MB'"],
    ['the catalog, to read it', 'BEGIN; LOCK TABLE pg_auth_members IN ACCESS SHARE MODE'],
  ],
  beyondScope: [
    ['read after leaving its role', 'SET ROLE NONE; SELECT * FROM orders'],
    ['act as a role beyond its scope', 'SET ROLE orders_write'],
    ['act as the minter', 'SET ROLE causeway_minter'],
    ['create an account', 'CREATE ROLE another'],
    ['create an account after leaving its role', 'SET ROLE NONE; CREATE ROLE another'],
    ['hand its rights on', 'SET ROLE NONE; GRANT orders_read TO causeway_revoker'],
    ['prolong its life', "SET ROLE NONE; ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'"],
    ['lift its limits', 'SET ROLE NONE; ALTER ROLE CURRENT_USER CONNECTION LIMIT -1'],
  ],
  objects: table => [
    { make: `CREATE VIEW peek AS SELECT * FROM ${table}`, use: 'SELECT * FROM peek', drop: 'DROP VIEW IF EXISTS peek' },
    {
      make: `CREATE FUNCTION spy() RETURNS bigint LANGUAGE sql SECURITY DEFINER
               RETURN (SELECT count(*) FROM ${table})`,
      use: 'SELECT spy()',
      drop: 'DROP FUNCTION IF EXISTS spy()',
    },
    {
      make: `CREATE TABLE watched (id int);
        CREATE FUNCTION leak() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
          $$ BEGIN NEW.id := (SELECT count(*) FROM ${table}); RETURN NEW; END $$;
        CREATE TRIGGER leak BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION leak()`,
      use: 'INSERT INTO watched VALUES (1)',
      drop: 'DROP TABLE IF EXISTS watched; DROP FUNCTION IF EXISTS leak()',
    },
  ],
}
