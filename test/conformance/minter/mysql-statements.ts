import type { Statements } from './engine.ts'

/** MariaDB's statements. */
export const statements: Statements = {
  login: "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AS login",
  whereabouts: 'SELECT DATABASE() AS place, CURRENT_ROLE() AS acting',
  sleep: 'SELECT SLEEP(60)',
  changePassword: text => `SET PASSWORD = PASSWORD('${text}')`,
  holds: [
    ['rows', 'START TRANSACTION; SELECT * FROM orders FOR UPDATE'],
    ['a view of the data', 'START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT * FROM orders'],
    ['a lock with a name', "DO GET_LOCK('account', 1)"],
    ['a handler', 'HANDLER orders OPEN'],
    ['a change of its own password', "SET autocommit = 0; SET PASSWORD = PASSWORD('mine')"],
  ],
  beyondScope: [
    ['read the accounts', 'SELECT * FROM mysql.global_priv'],
    ['act as a role beyond its scope', 'SET ROLE orders_read'],
    ['create an account', 'CREATE USER another'],
    ['hand its rights on', 'GRANT SELECT ON orders.orders TO minter'],
    ['lift its limits', 'ALTER USER CURRENT_USER() WITH MAX_USER_CONNECTIONS 0'],
  ],
  objects: table => [
    {
      make: `CREATE VIEW peek AS SELECT * FROM ${table}`,
      use: 'SELECT * FROM orders.peek',
      drop: 'DROP VIEW IF EXISTS orders.peek',
    },
    {
      make: `CREATE FUNCTION spy() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM ${table})`,
      use: 'SELECT orders.spy()',
      drop: 'DROP FUNCTION IF EXISTS orders.spy',
    },
    {
      make: `CREATE TRIGGER leak BEFORE INSERT ON watched FOR EACH ROW SET NEW.id = (SELECT COUNT(*) FROM ${table})`,
      use: 'INSERT INTO orders.watched VALUES (1)',
      drop: 'DROP TRIGGER IF EXISTS orders.leak; DELETE FROM orders.watched',
    },
  ],
}
